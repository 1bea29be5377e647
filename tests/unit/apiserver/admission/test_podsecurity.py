"""PodSecurity: upstream's own pods decide as their folders say; modes, versions and warnings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.apiserver.admission.harness import Api, api, pod

FIXTURES = Path("/work/shared/reference/pod-security")
PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("baseline", "restricted")


async def namespace(server: Api, name: str, **labels: str) -> None:
    named = {PREFIX + mode.replace("_", "-"): value for mode, value in labels.items()}
    await server.make("/api/v1/namespaces", {"metadata": {"name": name, "labels": named}})


def warnings(server: Api) -> list[str]:
    return [value.decode() for name, value in server.headers or () if name.lower() == b"warning"]


@pytest.mark.skipif(not FIXTURES.exists(), reason="upstream's fixtures are not on this machine")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("folder", ["pass", "fail"])
async def test_upstreams_pods_decide_as_their_folder_says(level: str, folder: str) -> None:
    wrong = {}
    async with api() as server:
        await namespace(server, "ns", enforce=level)
        for number, path in enumerate(sorted((FIXTURES / level / folder).iterdir())):
            body = yaml.safe_load(path.read_text())
            body["metadata"]["name"] = f"p{number}"
            status, answer = await server("POST", "/api/v1/namespaces/ns/pods", body)
            if status not in ({201} if folder == "pass" else {403, 422}):
                wrong[path.name] = (status, answer.get("message"))
            if status == 422 and "procmount" not in path.name:
                wrong[path.name] = (status, answer["message"])
    assert not wrong


async def test_the_words_of_a_refusal_and_of_a_warning() -> None:
    async with api() as server:
        await namespace(server, "ns", enforce="baseline", enforce_version="v1.24", warn="restricted")
        body = pod("p", securityContext={"privileged": True})
        body["spec"]["hostNetwork"] = True
        refused = await server.message("/api/v1/namespaces/ns/pods", body)
        assert refused == (
            'pods "p" is forbidden: violates PodSecurity "baseline:v1.24": host namespaces (hostNetwork=true), '
            'privileged (container "c" must not set securityContext.privileged=true)'
        )
        await server.make("/api/v1/namespaces/ns/pods", pod("q"))
        told = warnings(server)
        assert 'would violate PodSecurity \\"restricted:latest\\": allowPrivilegeEscalation != false' in told[0]
        assert 'container \\"c\\" must set securityContext.capabilities.drop=[\\"ALL\\"]' in told[0]


async def test_what_makes_pods_is_warned_about_and_let_through() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    async with api() as server:
        await namespace(server, "ns", enforce="restricted", warn="restricted")
        await server.make("/apis/apps/v1/namespaces/ns/deployments", body)
        assert len(warnings(server)) == 1


@pytest.mark.parametrize("label, value", [("enforce", "strict"), ("warn-version", "1.24"), ("audit", "")])
async def test_wrong_labels_are_refused(label: str, value: str) -> None:
    async with api() as server:
        body = {"metadata": {"name": "ns", "labels": {PREFIX + label: value}}}
        status, answer = await server("POST", "/api/v1/namespaces", body)
    assert status == 422
    assert answer["details"]["causes"][0]["field"] == f"metadata.labels[{PREFIX}{label}]"


async def test_a_stricter_level_tells_of_the_pods_that_are_there() -> None:
    async with api() as server:
        await namespace(server, "ns")
        await server.make("/api/v1/namespaces/ns/pods", pod("p", securityContext={"privileged": True}))
        labels = {"metadata": {"labels": {PREFIX + "enforce": "baseline"}}}
        await server("PATCH", "/api/v1/namespaces/ns", labels)
        told = warnings(server)
    assert "violate the new PodSecurity enforce level" in told[0]
    assert told[1].endswith('p: privileged"')


async def test_ephemeral_containers_are_checked() -> None:
    """CVE-2023-2727: what comes in by a subresource is looked at, too."""
    extra = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i", "securityContext": {"privileged": True}}]}}
    async with api() as server:
        await namespace(server, "ns", enforce="baseline")
        await server.make("/api/v1/namespaces/ns/pods", pod("p"))
        path = "/api/v1/namespaces/ns/pods/p/ephemeralcontainers"
        assert "privileged" in await server.message(path, extra, method="PATCH")


async def test_an_update_is_looked_at_where_it_matters() -> None:
    """Pods that were there before a level came may be labelled and resized, but take no other image."""
    merge = {"spec": {"containers": [{"name": "c", "image": "other", "securityContext": {"privileged": True}}]}}
    async with api() as server:
        await namespace(server, "ns")
        await server.make("/api/v1/namespaces/ns/pods", pod("p", securityContext={"privileged": True}))
        await server("PATCH", "/api/v1/namespaces/ns", {"metadata": {"labels": {PREFIX + "enforce": "baseline"}}})
        path = "/api/v1/namespaces/ns/pods/p"
        assert (await server("PATCH", path, {"metadata": {"labels": {"a": "b"}}}))[0] == 200
        assert 'violates PodSecurity "baseline:latest"' in await server.message(path, merge, method="PATCH")


async def test_who_only_says_what_it_enforces_is_warned_of_it() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x", securityContext={"privileged": True})["spec"]}
    body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    async with api() as server:
        await namespace(server, "ns", enforce="baseline")
        await server.make("/apis/apps/v1/namespaces/ns/deployments", body)
        assert len(warnings(server)) == 1
        await namespace(server, "quiet", enforce="baseline", warn="privileged")
        await server.make("/apis/apps/v1/namespaces/quiet/deployments", body)
        assert warnings(server) == []


def test_levels_are_versioned() -> None:
    from sampan.apiserver.podsecurity.levels import Policy, valid_version

    assert [Policy("baseline", version).minor for version in ("latest", "v1.20", "v1.99")] == [36, 20, 36]
    assert not any(map(valid_version, ("", "1.2", "v2.1", "v1.02", "v1.x")))


def test_unlabelled_is_free() -> None:
    from sampan.apiserver.admission.podsecurity import read

    policies, wrong = read({})
    assert (wrong, {str(policy) for policy in policies.values()}) == ([], {"privileged:latest"})
