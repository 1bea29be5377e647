"""Nodes that fall silent and what follows: conditions, taints, and the pods that must move.

`health` (when is a node lost), `taints` (which taints follow from its conditions), `zones` (how fast pods may be driven
off when many nodes fail at once) and `tolerance` (how long a pod stays) are pure; `lifecycle`, `eviction` and `podgc`
are the controllers.
"""
