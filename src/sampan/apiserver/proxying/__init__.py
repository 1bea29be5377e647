"""`nodes/proxy`, `pods/proxy`, `services/proxy`: HTTP requests handed on to what runs in the cluster.

Who may use a proxy speaks from where the API server stands, which often is a network that nobody else is in. So where a
request may go is decided by the cluster's own objects (`locations`), held against what may be an address at all
(`addresses`) at the moment of connecting, and never by what the other end answers: redirects are handed back, not
followed. What identifies the caller to this server goes no further (`headers`).
https://kubernetes.io/docs/concepts/cluster-administration/proxies/
"""
