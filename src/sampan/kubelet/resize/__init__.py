"""In-place resize of pods (KEP-1287, pod-level KEP-5419): what is asked, what the node has given, what has been set.

Three amounts for each container and for the pod itself: the spec's, those this node has allocated (a change is
allocated when it fits), and those set on cgroups. A pod is decided and run by its allocated amounts.
"""
