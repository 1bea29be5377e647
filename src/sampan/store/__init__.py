"""Where objects are kept: the `Store` Protocol, its implementations, and the watch cache in front of them.

`interface` states what a store is, `memory` and `sqlite` implement it over one engine (`engine`), `etcd` has it from an
etcd cluster, `cache` answers the API server's reads and watches from memory; `opening` makes a store from its name on a
command line. Nothing here knows what a pod is: values are bytes.
"""
