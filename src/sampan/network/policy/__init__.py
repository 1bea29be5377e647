"""Network policies in the packet filter of the node that a pod is on.

A pod is isolated for ingress (egress) once some policy of its namespace selects it for that; then only what one of
these policies allows gets in (out). Answers to what was allowed always pass, as does a pod's traffic with itself and
with its own node: pods' packets are routed, so what goes between pods meets the `forward` hook, and what goes between a
pod and its node does not. What IPVS balances meets the `output` hook instead, with its sender's address. Translation of
service addresses comes first, so policies see pods, and no source is translated between pods. A pod in its node's
network is the node: no selector finds it, and no policy isolates it.
Source: kubernetes.io/docs/concepts/services-networking/network-policies, NetworkPolicySpec in the API reference.

`rules` turns a policy into nft rules over named sets; `state` knows pods, namespaces and policies and says which sets,
chains and verdicts the table must have, and by what text it gets from one state to the next; `component` follows the
API. Sets and chains are named after what they mean, so that a changed policy is a new chain and never one half changed.
"""
