"""Pods may keep others off a node, not off a whole zone: hard anti-affinity is by `kubernetes.io/hostname` only."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write

KEY = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(Plugin):
    """Off by default, as upstream."""

    name = "LimitPodHardAntiAffinityTopology"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})

    def validate(self, write: Write) -> None:
        affinity = write.new.spec.affinity if write.new.spec is not None else None
        anti = affinity.podAntiAffinity if affinity is not None else None
        for term in (anti.requiredDuringSchedulingIgnoredDuringExecution if anti is not None else None) or ():
            if term.topologyKey != KEY:
                where = "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey"
                raise forbid(write, f"{where} {term.topologyKey} but only key {KEY} is allowed")
