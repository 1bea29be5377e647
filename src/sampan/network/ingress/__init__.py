"""Ingress: HTTP and TLS from outside to Services' pods, by haproxy.

`routing` says, purely, which host and path leads to which endpoints; `haproxy` renders that as the files haproxy reads;
`process` runs haproxy and hands it new files without a connection being dropped; `component` follows the API and fills
the Ingresses' status. Endpoints are pods' addresses, so no packet is translated behind haproxy.
Source: API reference "Ingress", "IngressClass"; "Ingress" in the documentation, path types and host wildcards.
"""
