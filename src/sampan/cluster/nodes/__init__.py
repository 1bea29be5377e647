"""Many nodes on one machine, `sampan up --nodes 3`: each further one a network namespace that joins as strangers do.

The first node is this machine itself. Each further node has a namespace on a bridge, with an address, a host name, a
data directory (`<data-dir>/nodes/<number>`), a containerd and an agent of its own; `sampan join` with a bootstrap token
makes it, and `sampan down` unmakes it, both run inside the namespace. What the nodes share is the kernel and its
control groups, in which each keeps to a tree of its own.
"""
