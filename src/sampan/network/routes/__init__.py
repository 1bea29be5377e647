"""The ways between nodes: every node's pods are reached from every other by their own addresses, untranslated.

Each node has a range of the cluster's pod network (`spec.podCIDRs`). `peers` reads from a Node what others must know of
it; `direct` (a route over the network both are in) or `vxlan` says which entries of the kernel's tables lead there;
`kernel` makes the tables hold them; `component` follows the Nodes. The routes stay when this process goes away.
"""
