"""ServiceAccount: the account must exist; its token comes with the pod."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.apiserver.admission.harness import Api, api, pod

PODS = "/api/v1/namespaces/default/pods"
ON: dict[str, Any] = {"disable_plugins": ()}
PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"


async def account(server: Api, name: str = "default", **fields: Any) -> None:
    await server.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}} | fields)


async def test_the_account_gives_a_token_and_pull_secrets() -> None:
    async with api(**ON) as server:
        await account(server, imagePullSecrets=[{"name": "pull"}])
        spec = (await server.make(PODS, pod("p")))["spec"]
    assert (spec["serviceAccountName"], spec["imagePullSecrets"]) == ("default", [{"name": "pull"}])
    (volume,) = spec["volumes"]
    assert spec["containers"][0]["volumeMounts"] == [{"name": volume["name"], "mountPath": PLACE, "readOnly": True}]
    assert volume["projected"]["defaultMode"] == 420
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == [
        "serviceAccountToken",
        "configMap",
        "downwardAPI",
    ]
    assert volume["projected"]["sources"][0]["serviceAccountToken"] == {"expirationSeconds": 3607, "path": "token"}


@pytest.mark.parametrize(
    "of_pod, of_account, mounted", [(None, False, False), (True, False, True), (False, None, False)]
)
async def test_both_may_do_without_a_token(of_pod: bool | None, of_account: bool | None, mounted: bool) -> None:
    async with api(**ON) as server:
        await account(server, automountServiceAccountToken=of_account)
        body = pod("p")
        body["spec"]["automountServiceAccountToken"] = of_pod
        assert ("volumes" in (await server.make(PODS, body))["spec"]) is mounted


async def test_a_container_with_something_of_its_own_in_that_place_keeps_it() -> None:
    async with api(**ON) as server:
        await account(server)
        body = pod("p", volumeMounts=[{"name": "v", "mountPath": PLACE}])
        body["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
        assert len((await server.make(PODS, body))["spec"]["volumes"]) == 1


async def test_an_account_that_does_not_exist_is_refused() -> None:
    async with api(**ON) as server:
        body = pod("p")
        body["spec"]["serviceAccountName"] = "none"
        assert await server.message(PODS, body) == (
            'pods "p" is forbidden: error looking up service account default/none: serviceaccount "none" not found'
        )


@pytest.mark.parametrize(
    "container",
    [
        {"envFrom": [{"secretRef": {"name": "other"}}]},
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]},
    ],
    ids=["cve-2024-3177", "one-key"],
)
async def test_only_the_secrets_an_account_names(container: dict[str, Any]) -> None:
    marked = {"name": "default", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}
    async with api(**ON) as server:
        await account(server, metadata=marked, secrets=[{"name": "mine"}])
        assert 'referencing secret.secretName="other" is not allowed' in await server.message(
            PODS, pod("p", **container)
        )
