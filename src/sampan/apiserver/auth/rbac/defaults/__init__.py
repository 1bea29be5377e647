"""The roles and bindings every cluster starts with, as upstream's tables have them in v1.36.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
One file for each purpose: `users` (people's roles), `components` (what the cluster's own programs may do),
`controllers` (a role each), `namespaced` (roles of kube-system and kube-public), `own` (what Sampan's way of running
the components needs beyond upstream's). `objects.everything` puts them together.
"""
