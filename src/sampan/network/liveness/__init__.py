"""Which other nodes answer at all, found out in about a second, while their Leases last fifty.

Each agent asks the others' *kernels* (an ICMP echo, and after a miss a TCP connection to the kubelet's port, too): an
agent that was killed does not look like a node that is gone, for its kernel answers on. `judgement` decides, `probes`
sends, `component` follows the Nodes. What has never answered, behind a firewall or since this agent began, is never
taken for gone; nor are all that fall silent together, for then it is this node that was cut off.
"""
