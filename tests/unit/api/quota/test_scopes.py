"""Which objects a quota's scopes take in."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.api.quota import scopes

CLAIMS = "persistentvolumeclaims"


def quota(operator: str, *values: str) -> Any:
    expression = core_v1.ScopedResourceSelectorRequirement(
        scopeName="VolumeAttributesClass", operator=operator, values=list(values) or None
    )
    selector = core_v1.ScopeSelector(matchExpressions=[expression])
    return core_v1.ResourceQuota(spec=core_v1.ResourceQuotaSpec(scopeSelector=selector))


def claim(wanted: str | None = None, current: str | None = None, target: str | None = None) -> Any:
    modifying = core_v1.ModifyVolumeStatus(targetVolumeAttributesClassName=target, status="Pending") if target else None
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name="c"),
        spec=core_v1.PersistentVolumeClaimSpec(volumeAttributesClassName=wanted),
        status=core_v1.PersistentVolumeClaimStatus(
            currentVolumeAttributesClassName=current, modifyVolumeStatus=modifying
        ),
    )


@pytest.mark.parametrize(
    "of_quota, of_claim, counted",
    [
        (quota("In", "gold"), claim("gold"), True),
        (quota("In", "gold"), claim("silver", current="gold"), True),
        (quota("In", "gold"), claim("silver", target="gold"), True),
        (quota("In", "gold"), claim("silver"), False),
        (quota("Exists"), claim("silver"), True),
        (quota("Exists"), claim(), False),
        (quota("DoesNotExist"), claim(), True),
        (quota("DoesNotExist"), claim("gold"), False),
    ],
)
def test_claims_by_their_attributes_class(of_quota: Any, of_claim: Any, counted: bool) -> None:
    """The class it wants, has, and is on its way to: whichever it is, it costs (KEP-3751)."""
    assert scopes.concerns(of_quota, of_claim, CLAIMS) is counted


TERM = core_v1.PodAffinityTerm(topologyKey="zone")
ELSEWHERE = core_v1.PodAffinityTerm(topologyKey="zone", namespaces=["other"])
ANYWHERE = core_v1.PodAffinityTerm(topologyKey="zone", namespaceSelector=meta_v1.LabelSelector())


def pod(**spec: Any) -> Any:
    return core_v1.Pod(spec=core_v1.PodSpec(containers=[], **spec))


def near(*terms: Any) -> Any:
    affinity = core_v1.PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=list(terms))
    return pod(affinity=core_v1.Affinity(podAffinity=affinity))


def rather_far(term: Any) -> Any:
    weighted = core_v1.WeightedPodAffinityTerm(weight=1, podAffinityTerm=term)
    affinity = core_v1.PodAntiAffinity(preferredDuringSchedulingIgnoredDuringExecution=[weighted])
    return pod(affinity=core_v1.Affinity(podAntiAffinity=affinity))


@pytest.mark.parametrize(
    "scope, of_pod, counted",
    [
        ("CrossNamespacePodAffinity", near(TERM, ELSEWHERE), True),
        ("CrossNamespacePodAffinity", rather_far(ANYWHERE), True),
        ("CrossNamespacePodAffinity", near(TERM), False),
        ("CrossNamespacePodAffinity", pod(), False),
        ("Terminating", pod(activeDeadlineSeconds=0), True),
        ("Terminating", pod(), False),
        ("NotTerminating", pod(), True),
        ("NotTerminating", pod(activeDeadlineSeconds=5), False),
        ("NotBestEffort", pod(), False),
        ("PriorityClass", pod(priorityClassName="high"), True),
        ("PriorityClass", pod(), False),
        ("NoSuchScope", pod(), False),
    ],
)
def test_pods_by_each_scope(scope: str, of_pod: Any, counted: bool) -> None:
    of_quota = core_v1.ResourceQuota(spec=core_v1.ResourceQuotaSpec(scopes=[scope]))
    assert scopes.concerns(of_quota, of_pod) is counted


def test_a_scope_of_claims_takes_in_no_pods_and_the_other_way_round() -> None:
    pod = core_v1.Pod(spec=core_v1.PodSpec(containers=[]))
    best_effort = core_v1.ResourceQuota(spec=core_v1.ResourceQuotaSpec(scopes=["BestEffort"]))
    assert not scopes.concerns(quota("Exists"), pod)
    assert scopes.concerns(best_effort, pod)
    assert not scopes.concerns(best_effort, claim("gold"), CLAIMS)
    assert not scopes.concerns(best_effort, pod, "")
    unscoped = core_v1.ResourceQuota(spec=core_v1.ResourceQuotaSpec())
    assert scopes.concerns(unscoped, claim(), CLAIMS) and scopes.concerns(unscoped, pod)


def test_scopes_read_as_upstream_writes_them() -> None:
    (scope,) = scopes.of_quota(quota("In", "a", "b"))
    assert str(scope) == "{VolumeAttributesClass In [a b]}"
