"""The eBPF backend: a local client's socket is connected to an endpoint in the first place.

Programs on the machine's cgroup see every connect(2) and sendto(2) before a packet is made. A cluster address is
exchanged for an endpoint's there and then: no packet of the connection is translated, tracked or masqueraded, and a pod
that meets itself needs no help. `getpeername` and `recvfrom` show the service's address again.

What the programs leave alone, nftables rules do, which this backend keeps as well: clients on other machines, node
ports and external addresses, session affinity, SCTP, connected UDP sockets (whose endpoint may go while they stay),
services without endpoints. So whatever a program cannot decide is still right, only not as cheap. The programs stay
attached when this process ends. Needs root, cgroup v2 (hybrid will do) and Linux 5.8; one node for each machine, for
the programs cannot tell the sockets of two nodes apart.
"""
