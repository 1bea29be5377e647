"""Cluster DNS: names of services and pods, and everybody else's names by way of the machine's own resolvers.

`records` says, purely, which records a Service has; `zone` keeps all of them as ready-made answers; `responder` finds
the answer to a query's bytes; `forwarding` asks upstream; `server` has the sockets; `component` follows the API.
Source: "Kubernetes DNS-Based Service Discovery", schema version 1.1.0; RFC 1035, 2181, 2308, 2782, 6891, 8482.
"""

from sampan.network.dns.component import DnsServer

__all__ = ["DnsServer"]
