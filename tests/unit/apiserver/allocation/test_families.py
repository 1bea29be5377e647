"""Which families a service gets, by the cluster's, the request and what it was before (KEP-563)."""

from __future__ import annotations

import pytest

from sampan.api.kinds import core_v1
from sampan.apiserver.allocation import families

FOUR, SIX = "10.96.0.9", "fd00::9"
CLUSTERS = {"4": ("IPv4",), "46": ("IPv4", "IPv6"), "64": ("IPv6", "IPv4")}
POLICIES = {"single": "SingleStack", "prefer": "PreferDualStack", "require": "RequireDualStack", "-": None}
SELECTOR = {"a": "b"}


def parts(word: str, *, of: dict[str, str]) -> list[str] | None:
    """`46` by the table `of`; `-` for nothing."""
    return [of[digit] for digit in word] if word != "-" else None


def spec(words: str) -> core_v1.ServiceSpec:
    """`addresses policy families`, such as `4 single 46`; addresses `none`: headless, `free`: without selector, too."""
    address, policy, family = words.split()
    given = ["None"] if address in ("none", "free") else parts(address, of={"4": FOUR, "6": SIX})
    return core_v1.ServiceSpec(
        type="ClusterIP",
        selector=None if address == "free" else SELECTOR,
        clusterIP=given[0] if given else None,
        clusterIPs=given,
        ipFamilyPolicy=POLICIES[policy],
        ipFamilies=parts(family, of={"4": "IPv4", "6": "IPv6"}),
    )


def settled(cluster: str, new: str, old: str = "") -> str:
    """`policy families` as they come out, or what is wrong."""
    made = spec(new)
    wrong = families.settle(made, spec(old) if old else None, CLUSTERS[cluster])
    if wrong:
        return "; ".join(f"{error.field}: {error.message.rsplit(': ', 1)[1]}" for error in wrong)
    policy = next(word for word, name in POLICIES.items() if name == made.ipFamilyPolicy)
    return f"{policy} {''.join(family[-1] for family in made.ipFamilies or ())}"


NO_SIX = "spec.ipFamilies[0]: not configured on this cluster"
NOT_DUAL = "spec.ipFamilyPolicy: this cluster is not configured for dual-stack services"
TWO = "spec.ipFamilyPolicy: must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
RELEASE = "spec.ipFamilyPolicy: must be 'SingleStack' to release the secondary {}"


@pytest.mark.parametrize(
    ("cluster", "new", "wanted"),
    [
        ("4", "- - -", "single 4"),
        ("4", "- prefer -", "prefer 4"),
        ("4", "none - -", "single 4"),
        ("4", "free - -", "require 46"),
        ("4", "free - 6", "require 64"),
        ("4", "free single 6", "single 6"),
        ("4", "free prefer -", "prefer 46"),
        ("4", "- require -", NOT_DUAL),
        ("4", "- - 6", NO_SIX),
        ("4", "6 - -", "spec.clusterIPs[0]: IPv6 is not configured on this cluster"),
        ("4", "- - 46", TWO.format("IP families")),
        ("46", "- - -", "single 4"),
        ("64", "- - -", "single 6"),
        ("46", "- - 6", "single 6"),
        ("46", "- prefer -", "prefer 46"),
        ("64", "- require -", "require 64"),
        ("46", "- require 6", "require 64"),
        ("46", "- require 64", "require 64"),
        ("46", "6 prefer -", "prefer 64"),
        ("46", "64 require -", "require 64"),
        ("46", "none require -", "require 46"),
        ("46", "none - 6", "single 6"),
        ("46", "- single 46", TWO.format("IP families")),
        ("46", "46 - -", TWO.format("cluster IPs")),
        ("46", "4 prefer 6", "spec.clusterIPs[0]: expected an IPv6 value as indicated by `ipFamilies[0]`"),
        ("46", "44 prefer -", "spec.clusterIPs: may specify no more than one IP for each IP family"),
    ],
)
def test_a_new_service(cluster: str, new: str, wanted: str) -> None:
    assert settled(cluster, new) == wanted


@pytest.mark.parametrize(
    ("cluster", "old", "new", "wanted"),
    [
        ("46", "4 single 4", "4 require 4", "require 46"),
        ("46", "4 single 4", "4 prefer 4", "prefer 46"),
        ("46", "4 single 4", "4 prefer 46", "prefer 46"),
        ("46", "4 single 4", "46 prefer -", "prefer 46"),
        ("46", "4 prefer 4", "4 prefer 4", "prefer 4"),
        ("46", "4 prefer 4", "4 prefer -", "prefer 46"),
        ("4", "46 prefer 46", "46 prefer 46", "prefer 46"),
        ("46", "46 require 46", "46 single 46", "single 4"),
        ("46", "46 require 46", "4 single 4", "single 4"),
        ("46", "46 require 46", "46 - 46", "require 46"),
        ("46", "46 require 46", "4 require 46", RELEASE.format("cluster IP")),
        ("46", "46 prefer 46", "46 prefer 4", RELEASE.format("IP family")),
        ("46", "none single 4", "none require 4", "require 46"),
    ],
)
def test_a_service_that_changes(cluster: str, old: str, new: str, wanted: str) -> None:
    assert settled(cluster, new, old) == wanted


def test_external_names_have_no_families() -> None:
    made = core_v1.ServiceSpec(type="ExternalName", externalName="a.example")
    assert families.settle(made, None, CLUSTERS["46"]) == [] and made.ipFamilyPolicy is made.ipFamilies is None
