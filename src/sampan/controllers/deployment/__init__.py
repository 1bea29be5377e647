"""Deployment: one template rolled out over ReplicaSets.

`decide` is pure and puts together `revisions` (which set is which, and what their annotations say), `sizes` (rollout
and scaling arithmetic) and `progress` (status and conditions); `controller` gathers and acts.
"""
