"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "scheduling_v1": """
        PriorityClass metadata=1 value=2 globalDefault=3 description=4 preemptionPolicy=5
        PriorityClassList metadata=1 items=2
    """,
    "scheduling_v1alpha2": """
        BasicSchedulingPolicy
        GangSchedulingPolicy minCount=1
        PodGroupSchedulingPolicy basic=1 gang=2
        WorkloadPodGroupTemplateReference workloadName=1 podGroupTemplateName=2
        PodGroupTemplateReference workload=1
        PodGroupResourceClaim name=1 resourceClaimName=2 resourceClaimTemplateName=3
        PodGroupResourceClaimStatus name=1 resourceClaimName=2
        TopologyConstraint key=1
        PodGroupSchedulingConstraints topology=1
        PodGroupSpec podGroupTemplateRef=1 schedulingPolicy=2 schedulingConstraints=3 resourceClaims=4
            disruptionMode=5 priorityClassName=6 priority=7
        PodGroupStatus conditions=1 resourceClaimStatuses=2
        PodGroup metadata=1 spec=2 status=3
        PodGroupList metadata=1 items=2
        PodGroupTemplate name=1 schedulingPolicy=2 schedulingConstraints=3 resourceClaims=4 disruptionMode=5
            priorityClassName=6 priority=7
        TypedLocalObjectReference apiGroup=1 kind=2 name=3
        WorkloadSpec controllerRef=1 podGroupTemplates=2
        Workload metadata=1 spec=2
        WorkloadList metadata=1 items=2
    """,
}
