"""Where objects are kept: the `Store` Protocol, its implementations, and the watch cache in front of them.

`interface` states what a store is, `memory` and `sqlite` implement it over one engine (`engine`), `cache` answers
the API server's reads and watches from memory. Nothing here knows what a pod is: values are bytes.
"""
