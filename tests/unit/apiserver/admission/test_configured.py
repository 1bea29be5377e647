"""Plugins that do what their configuration says: rates of events, selectors, tolerations, security levels, quotas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.apiserver.auth.user import User
from tests.unit.apiserver.admission.harness import Api, api, pod
from tests.unit.apiserver.admission.test_chain import written

PLACE = "/api/v1/namespaces/default"
PODS = f"{PLACE}/pods"
PSA = "pod-security.admission.config.k8s.io/v1"


def configured(folder: Path, name: str, settings: Any, *, on: bool = False) -> dict[str, Any]:
    file = written(folder, {"name": name, "configuration": settings})
    return {"admission_configuration": file, "enable_plugins": (name,) if on else ()}


# EventRateLimit


def limits(*listed: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
        "kind": "Configuration",
        "limits": list(listed),
    }


def event(name: str, about: str = "p") -> dict[str, Any]:
    reference = {"kind": "Pod", "name": about, "namespace": "default"}
    return {"metadata": {"name": name}, "involvedObject": reference, "source": {"component": "c"}, "reason": "r"}


async def test_events_beyond_the_burst_are_refused_and_come_again_later(tmp_path: Path) -> None:
    settings = limits({"type": "SourceAndObject", "qps": 1, "burst": 2, "cacheSize": 10})
    async with api(**configured(tmp_path, "EventRateLimit", settings, on=True)) as server:
        clock = Stopped(server.server.clock)
        server.server.clock = clock
        for name in ("a", "b"):
            await server.make(f"{PLACE}/events", event(name))
        status, answer = await server("POST", f"{PLACE}/events", event("c"))
        assert (status, answer["reason"], answer["details"]["retryAfterSeconds"]) == (429, "TooManyRequests", 1)
        assert answer["message"].startswith("limit reached on type SourceAndObject for key c")
        await server.make(f"{PLACE}/events", event("d", about="another"))
        await server.make(f"{PLACE}/configmaps", {"metadata": {"name": "not-an-event"}})
        clock.passed += 1
        await server.make(f"{PLACE}/events", event("e"))


class Stopped:
    """A clock whose monotonic time only moves by hand."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._begin = clock.monotonic()
        self.passed = 0.0

    def monotonic(self) -> float:
        return float(self._begin + self.passed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)


@pytest.mark.parametrize("type_", ["Server", "Namespace", "User"])
async def test_each_type_of_limit_has_buckets_of_its_own(tmp_path: Path, type_: str) -> None:
    settings = limits({"type": type_, "qps": 1, "burst": 1})
    async with api(**configured(tmp_path, "EventRateLimit", settings, on=True)) as server:
        server.server.clock = Stopped(server.server.clock)
        await server.make(f"{PLACE}/events", event("a"))
        other = User("other", groups=("system:masters",))
        there = event("a")
        there["involvedObject"]["namespace"] = "kube-system"
        statuses = [
            (await server("POST", f"{PLACE}/events", event("b")))[0],
            (await server("POST", "/api/v1/namespaces/kube-system/events", there))[0],
            (await server("POST", f"{PLACE}/events", event("c"), user=other))[0],
        ]
    assert statuses == {"Server": [429, 429, 429], "Namespace": [429, 201, 429], "User": [429, 429, 201]}[type_]


@pytest.mark.parametrize(
    "limit, words",
    [
        ({"type": "Colour", "qps": 1, "burst": 1}, 'limits[0].type: "Colour" is none of Server'),
        ({"type": "Server", "qps": 0, "burst": 1}, "limits[0].qps: 0: must be positive"),
        ({"type": "Server", "qps": 1, "burst": -1}, "limits[0].burst: -1: must be positive"),
        ({"type": "User", "qps": 1, "burst": 1, "cacheSize": -1}, "limits[0].cacheSize: -1"),
        ({"type": "User", "qps": "x", "burst": 1}, "Expected `int`, got `str`"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(tmp_path: Path, limit: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        async with api(**configured(tmp_path, "EventRateLimit", limits(limit), on=True)):
            pass
    assert words in str(caught.value)


async def test_buckets_are_bounded(tmp_path: Path) -> None:
    """Whoever makes up ever new keys gets the oldest forgotten, and no more memory."""
    settings = limits({"type": "SourceAndObject", "qps": 1, "burst": 1, "cacheSize": 2})
    async with api(**configured(tmp_path, "EventRateLimit", settings, on=True)) as server:
        for name in ("a", "b", "c", "d"):
            await server.make(f"{PLACE}/events", event(name, about=name))
        plugin = next(p for p in server.server.admission._plugins if p.name == "EventRateLimit")
        assert len(plugin._limits[0]._left) == 2


# PodNodeSelector


async def annotate(server: Api, **annotations: str) -> None:
    named = {"scheduler.alpha.kubernetes.io/" + name.replace("_", "-"): text for name, text in annotations.items()}
    status, answer = await server("PATCH", "/api/v1/namespaces/default", {"metadata": {"annotations": named}})
    assert status == 200, answer


def selecting(**labels: str) -> dict[str, Any]:
    body = pod("p")
    body["spec"]["nodeSelector"] = labels
    return body


async def test_pods_get_their_namespaces_nodes(tmp_path: Path) -> None:
    settings = {"podNodeSelectorPluginConfig": {"clusterDefaultNodeSelector": "env=test", "default": "env=prod,a=b"}}
    async with api(**configured(tmp_path, "PodNodeSelector", settings, on=True)) as server:
        await annotate(server, node_selector="env=prod")
        assert (await server.make(PODS, selecting(a="b")))["spec"]["nodeSelector"] == {"env": "prod", "a": "b"}
        refused = await server.message(PODS, selecting(env="dev"))
        assert refused.endswith("pod node label selector conflicts with its namespace node label selector")
        refused = await server.message(PODS, selecting(c="d"))
        assert refused.endswith("pod node label selector labels conflict with its namespace whitelist")
        made = await server.make("/api/v1/namespaces/kube-system/pods", pod("p"))
        assert made["spec"]["nodeSelector"] == {"env": "test"}
        await annotate(server, node_selector="nonsense")
        assert "invalid selector" in await server.message(PODS, pod("q"))


# PodTolerationRestriction


def tolerating(*tolerations: dict[str, Any], name: str = "p", **container: Any) -> dict[str, Any]:
    body = pod(name, **container)
    body["spec"]["tolerations"] = list(tolerations)
    return body


def keys(answer: dict[str, Any]) -> list[str]:
    return [one["key"] for one in answer["spec"]["tolerations"]]


A = {"key": "a", "operator": "Exists", "effect": "NoSchedule"}
B = {"key": "b", "operator": "Equal", "value": "x", "effect": "NoSchedule"}
NODE = [f"node.kubernetes.io/{name}" for name in ("not-ready", "unreachable")]
ON_NODE = [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300} for key in NODE]


async def test_pods_tolerate_what_their_namespace_says_and_nothing_else(tmp_path: Path) -> None:
    settings = {
        "apiVersion": "podtolerationrestriction.admission.k8s.io/v1alpha1",
        "kind": "Configuration",
        "default": [A],
        "whitelist": [A, *ON_NODE],
    }
    async with api(**configured(tmp_path, "PodTolerationRestriction", settings, on=True)) as server:
        assert keys(await server.make(PODS, pod("p"))) == [*NODE, "a"]
        refused = await server.message(PODS, tolerating(B, name="q"))
        assert refused.endswith("conflict with its namespace whitelist")
        await annotate(server, defaultTolerations="[]", tolerationsWhitelist='[{"operator":"Exists"}]')
        made = await server.make(PODS, tolerating(B, name="q", resources={"requests": {"cpu": "1m"}}))
        assert keys(made) == ["b", *NODE, "node.kubernetes.io/memory-pressure"]
        await annotate(server, tolerationsWhitelist="{")
        assert "annotation scheduler.alpha.kubernetes.io/tolerationsWhitelist" in await server.message(
            PODS, tolerating(B, name="r")
        )


# PodSecurity


async def test_levels_by_default_and_exemptions_from_them(tmp_path: Path) -> None:
    settings = {
        "apiVersion": PSA,
        "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "baseline", "enforce-version": "latest"},
        "exemptions": {"namespaces": ["kube-system"], "usernames": ["trusted"], "runtimeClasses": ["vm"]},
    }
    bad = pod("p", securityContext={"privileged": True})
    async with api(**configured(tmp_path, "PodSecurity", settings)) as server:
        assert 'violates PodSecurity "baseline:latest": privileged' in await server.message(PODS, bad)
        await server.make("/api/v1/namespaces/kube-system/pods", bad)
        assert (await server("POST", PODS, bad, user=User("trusted", groups=("system:masters",))))[0] == 201
        await server.make("/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "vm"}, "handler": "vm"})
        in_vm = pod("q", securityContext={"privileged": True})
        in_vm["spec"]["runtimeClassName"] = "vm"
        await server.make(PODS, in_vm)
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        await server("PATCH", "/api/v1/namespaces/default", {"metadata": {"labels": labels}})
        await server.make(PODS, pod("r", securityContext={"privileged": True}))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"defaults": {"enforce": "strict"}}, 'defaults.enforce: Invalid value: "strict"'),
        ({"defaults": {"warn-version": "1.2"}}, 'defaults.warn-version: Invalid value: "1.2"'),
        ({"defaults": {"refuse": "baseline"}}, "defaults: unknown field refuse"),
        ({"exemptions": {"namespaces": ["A_b"]}}, 'exemptions.namespaces[0]: "A_b" is no valid name'),
        ({"exemptions": {"usernames": ["u", "u"]}}, 'exemptions.usernames[1]: "u" is there twice'),
        ({"kind": "Pod"}, f"expected {PSA} PodSecurityConfiguration, not {PSA} Pod"),
    ],
)
async def test_levels_that_are_none_are_refused(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    whole = {"apiVersion": PSA, "kind": "PodSecurityConfiguration", **settings}
    with pytest.raises(ValueError) as caught:
        async with api(**configured(tmp_path, "PodSecurity", whole)):
            pass
    assert words in str(caught.value)


# ResourceQuota

GOLD = "gold.storageclass.storage.k8s.io/requests.storage"


async def test_what_is_limited_needs_a_quota_that_covers_it(tmp_path: Path) -> None:
    settings = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "ResourceQuotaConfiguration",
        "limitedResources": [
            {
                "resource": "persistentvolumeclaims",
                "matchContains": ["gold.storageclass.storage.k8s.io/requests.storage"],
            },
            {
                "resource": "pods",
                "matchScopes": [{"scopeName": "PriorityClass", "operator": "In", "values": ["first"]}],
            },
        ],
    }
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "gold",
    }
    first = pod("p")
    first["spec"]["priorityClassName"] = "first"
    claims = f"{PLACE}/persistentvolumeclaims"
    async with api(**configured(tmp_path, "ResourceQuota", settings)) as server:
        await server.make("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "first"}, "value": 1})
        await server.make(PODS, pod("unlimited"))
        refused = await server.message(claims, {"metadata": {"name": "c"}, "spec": claim})
        assert refused.endswith("insufficient quota to consume: " + GOLD)
        refused = await server.message(PODS, first)
        assert refused.endswith("insufficient quota to match these scopes: [{PriorityClass In [first]}]")
        hard = {GOLD: "1Gi"}
        selector = {"matchExpressions": settings["limitedResources"][1]["matchScopes"]}  # type: ignore[index]
        await quota(server, "claims", {"hard": hard})
        await quota(server, "pods", {"hard": {"pods": "1"}, "scopeSelector": selector})
        await server.make(claims, {"metadata": {"name": "c"}, "spec": claim})
        await server.make(PODS, first)
        first["metadata"]["name"] = "q"
        assert "exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1" in await server.message(
            PODS, first
        )


async def quota(server: Api, name: str, spec: dict[str, Any]) -> None:
    await server.make(f"{PLACE}/resourcequotas", {"metadata": {"name": name}, "spec": spec})
    status = {"status": {"hard": spec["hard"], "used": dict.fromkeys(spec["hard"], "0")}}
    assert (await server("PATCH", f"{PLACE}/resourcequotas/{name}/status", status))[0] == 200
