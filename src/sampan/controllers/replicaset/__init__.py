"""ReplicaSet and ReplicationController: so many pods of one template. `decide` is pure, `controller` acts."""
