"""DaemonSet: a pod on every node that fits. `placement` and `decide` are pure, `controller` acts."""
