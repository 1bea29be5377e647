"""The iptables backend, in the chains that kube-proxy's users, dashboards and debuggers know.

    nat: PREROUTING, OUTPUT -> KUBE-SERVICES -> KUBE-SVC-x -> KUBE-SEP-y: DNAT        (a cluster address)
                                             -> KUBE-EXT-x -> KUBE-SVC-x or KUBE-SVL-x (an address from outside)
                                             -> KUBE-FW-x  -> KUBE-EXT-x               (for some sources only)
                                             -> KUBE-NODEPORTS -> KUBE-EXT-x
         POSTROUTING -> KUBE-POSTROUTING: masquerade what KUBE-MARK-MASQ marked
    filter: KUBE-SERVICES, KUBE-EXTERNAL-SERVICES: refuse or drop what has no endpoint
            KUBE-PROXY-FIREWALL: drop what KUBE-FW-x let pass; KUBE-FORWARD: let translated packets through

A lookup costs more with every service, and so does a change: that is iptables. Source: "Virtual IPs and Service
Proxies", iptables proxy mode; the layout is kube-proxy's.
"""
