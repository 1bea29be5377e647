"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "rbac_v1": """
        AggregationRule clusterRoleSelectors=1
        PolicyRule verbs=1 apiGroups=2 resources=3 resourceNames=4 nonResourceURLs=5
        ClusterRole metadata=1 rules=2 aggregationRule=3
        RoleRef apiGroup=1 kind=2 name=3
        Subject kind=1 apiGroup=2 name=3 namespace=4
        ClusterRoleBinding metadata=1 subjects=2 roleRef=3
        ClusterRoleBindingList metadata=1 items=2
        ClusterRoleList metadata=1 items=2
        Role metadata=1 rules=2
        RoleBinding metadata=1 subjects=2 roleRef=3
        RoleBindingList metadata=1 items=2
        RoleList metadata=1 items=2
    """,
}
