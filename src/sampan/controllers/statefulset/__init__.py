"""StatefulSet: pods with names, order and claims of their own. `identity` and `decide` are pure, `controller` acts."""
