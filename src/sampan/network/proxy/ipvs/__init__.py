"""The IPVS backend: the kernel's own load balancer, told over netlink.

A frontend is a virtual server, an endpoint one of its real servers (masquerading, weight 1). IPVS takes packets on
their way into the machine, so every service address that is not the node's own is bound to the interface `kube-ipvs0`;
node ports are virtual servers at each address of the node. A small nftables table masquerades whom IPVS answers for,
keeps wrong sources out, and remembers which virtual servers are ours: others' are left alone.

Needs the module ip_vs. Not on 127.0.0.1, and under `Local` policies not for pods of other nodes, as with kube-proxy.
Source: linux/ip_vs.h; "Virtual IPs and Service Proxies".
"""
