"""Several servers on one machine, `sampan up --servers 3`: each an etcd member and an API server in a network of its
own.

A server is what would be a machine of the control plane: a network namespace with an address on a bridge, in it an etcd
member and an API server. The rest of the cluster reaches them through a balancer at the address that a single API
server would have, so no kubeconfig has to know how many there are. Everything here follows from the options (`plan`).
"""
