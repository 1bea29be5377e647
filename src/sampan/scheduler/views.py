"""Pods and nodes with only the fields that scheduling reads.

Decoding skips the rest, so the copies that the informers keep are a fraction of the objects, and a field that a newer
API server adds is no matter. A view is asked for like the kind it is of (`VIEW_OF`, see `sampan.client.targets`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.kinds import core_v1, meta_v1


def narrow(source: Any, *names: str, **inner: Any) -> Any:
    """A struct with the named fields of `source`; those in `inner` have another (narrowed) type."""
    types = {field.name: field.type for field in msgspec.structs.fields(source)}
    declared = [(name, types[name], None) for name in names]
    declared += [(name, kind | None, None) for name, kind in inner.items()]
    return msgspec.defstruct(f"{source.__name__}View", declared, kw_only=True, omit_defaults=True, gc=False)


def root(source: Any, **inner: Any) -> Any:
    """A view of a kind: what `narrow` makes, with kind, apiVersion and `VIEW_OF`."""
    own = source()
    declared = [("kind", str, own.kind), ("apiVersion", str, own.apiVersion)]
    declared += [(name, kind | None, None) for name, kind in inner.items()]
    namespace = {"VIEW_OF": source}
    return msgspec.defstruct(source.__name__, declared, kw_only=True, gc=False, namespace=namespace)


LIST: Any = list
IDENTITY = ("name", "namespace", "uid", "resourceVersion")

Owner = narrow(meta_v1.OwnerReference, "uid", "controller")
PodMeta = narrow(
    meta_v1.ObjectMeta,
    *(*IDENTITY, "generation", "labels", "creationTimestamp", "deletionTimestamp"),
    ownerReferences=LIST[Owner],
)
Resources = narrow(core_v1.ResourceRequirements, "requests")
ContainerPort = narrow(core_v1.ContainerPort, "hostIP", "hostPort", "protocol")
Container = narrow(core_v1.Container, "image", "restartPolicy", resources=Resources, ports=LIST[ContainerPort])
PodSpec = narrow(
    core_v1.PodSpec,
    *("affinity", "nodeName", "nodeSelector", "overhead", "preemptionPolicy", "priority", "schedulerName"),
    *("schedulingGates", "tolerations", "topologySpreadConstraints"),
    containers=LIST[Container],
    initContainers=LIST[Container],
    resources=Resources,
)
PodCondition = narrow(core_v1.PodCondition, "type", "status", "reason", "message")
PodStatus = narrow(core_v1.PodStatus, "phase", "startTime", "nominatedNodeName", conditions=LIST[PodCondition])
Pod = root(core_v1.Pod, metadata=PodMeta, spec=PodSpec, status=PodStatus)

NodeMeta = narrow(meta_v1.ObjectMeta, *IDENTITY, "labels")
NodeSpec = narrow(core_v1.NodeSpec, "taints", "unschedulable")
NodeStatus = narrow(core_v1.NodeStatus, "allocatable", "capacity", "images")
Node = root(core_v1.Node, metadata=NodeMeta, spec=NodeSpec, status=NodeStatus)
