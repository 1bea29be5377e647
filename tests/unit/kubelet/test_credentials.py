"""Credential providers: their configuration, the programs, and how long their answers are good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1, meta_v1
from sampan.kubelet.credentials.configuration import BadProviders, Provider, TokenAttributes, load
from sampan.kubelet.credentials.program import Login, Programs, ProviderFailure, Request, Response
from sampan.kubelet.credentials.providers import CredentialProviders
from sampan.kubelet.metrics.instruments import Instruments
from sampan.testing.clock import VirtualClock

V1 = "credentialprovider.kubelet.k8s.io/v1"
GOOD = {"name": "p", "matchImages": ["*.r.example"], "defaultCacheDuration": "1h", "apiVersion": V1}
ATTRIBUTES = {"serviceAccountTokenAudience": "r", "requireServiceAccount": True, "cacheType": "ServiceAccount"}


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def write(folder: Path, *providers: dict[str, Any], name: str = "config.yaml") -> Path:
    path = folder / name
    document = {"kind": "CredentialProviderConfig", "apiVersion": "kubelet.config.k8s.io/v1", "providers": providers}
    path.write_text(json.dumps(document))
    return path


def test_files_of_a_folder_are_joined(tmp_path: Path) -> None:
    for name in ("p", "q"):
        program(tmp_path, name, "exit 0")
    write(tmp_path, GOOD, name="1.json")
    write(tmp_path, {**GOOD, "name": "q", "tokenAttributes": ATTRIBUTES}, name="2.yml")
    found = load(tmp_path, tmp_path)
    assert [provider.name for provider in found] == ["p", "q"]
    assert found[1].tokenAttributes is not None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "a/b"}, "providers.name: Invalid value: \"a/b\": provider name cannot contain '/'"),
        ({"name": ".."}, "provider name cannot be '..'"),
        ({"name": "gone"}, "gone did not exist"),
        ({"matchImages": []}, "providers.matchImages: Required value: at least 1 item in matchImages is required"),
        ({"defaultCacheDuration": None}, "providers.defaultCacheDuration: Required value"),
        ({"defaultCacheDuration": "-1h"}, "must be a duration such as 15s or 1h30m"),
        ({"apiVersion": "v2"}, 'providers.apiVersion: Unsupported value: "v2"'),
        ({"extra": 1}, "unknown field `extra`"),
        ({"tokenAttributes": {}}, "providers.tokenAttributes.serviceAccountTokenAudience: Required value"),
        ({"tokenAttributes": {**ATTRIBUTES, "cacheType": ""}}, "Supported values are: ServiceAccount, Token"),
        ({"apiVersion": f"{V1}beta1", "tokenAttributes": ATTRIBUTES}, f"only supported for {V1} API version"),
        (
            {"tokenAttributes": {**ATTRIBUTES, "requiredServiceAccountAnnotationKeys": ["a", "a"]}},
            'requiredServiceAccountAnnotationKeys: Duplicate value: "a"',
        ),
    ],
)
def test_mistakes_are_told(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    program(tmp_path, "p", "exit 0")
    with pytest.raises(BadProviders) as caught:
        load(write(tmp_path, {**GOOD, **changed}), tmp_path)
    assert told in str(caught.value)


ANSWER = '{"kind":"CredentialProviderResponse","apiVersion":"%s","cacheKeyType":"Image","auth":{"r":{"username":"u"}}}'


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (f"cat > $KEPT; echo '{ANSWER % V1}' $1", ""),
        (f"echo '{ANSWER % V1}alpha1'", "error decoding"),
        (f"echo '{ANSWER % 'other/v1'}'", f"expected apiVersion:{V1}, actual apiVersion:other/v1"),
        ("echo secret; echo why >&2; exit 3", "for image r/x: exit status 3: why"),
        ("yes secret", "it wrote more than 1048576 bytes"),
        ("echo secret", "error decoding credential provider plugin response from stdout"),
    ],
)
async def test_a_program_is_asked(tmp_path: Path, script: str, told: str) -> None:
    program(tmp_path, "p", script)
    kept = tmp_path / "kept"
    provider = load(write(tmp_path, {**GOOD, "env": [{"name": "KEPT", "value": str(kept)}]}), tmp_path)[0]
    programs = Programs(tmp_path, SystemClock(), Instruments("n", "v", lambda: 0.0))
    request = Request(apiVersion=V1, image="r/x", serviceAccountToken="t")
    if not told:
        answer = await programs(provider, request)
        assert answer.auth == {"r": Login(username="u")}
        assert json.loads(kept.read_text()) == {
            "kind": "CredentialProviderRequest",
            "apiVersion": V1,
            "image": "r/x",
            "serviceAccountToken": "t",
        }
        return
    with pytest.raises(ProviderFailure) as caught:
        await programs(provider, request)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


class Node:
    """One provider, asked for images of pods; `asked` are the requests that reached its program."""

    def __init__(self, cache: str, lasts: str | None, attributes: TokenAttributes | None = None) -> None:
        self.clock = VirtualClock()
        self.asked: list[Request] = []
        self.annotations = {"team": "a"}
        self.tokens = 0
        self._cache, self._lasts = cache, lasts
        provider = Provider(
            name="p",
            matchImages=("*.r.example", "r.example:5000/team"),
            defaultCacheDuration="1h",
            apiVersion=V1,
            tokenAttributes=attributes,
        )
        self.providers = CredentialProviders([provider], self, self, self.clock)

    async def __call__(self, provider: Provider, request: Request) -> Response:
        self.asked.append(request)
        auth = {"*.r.example": Login(username="u", password=str(len(self.asked)))}
        return Response(kind="", apiVersion=V1, cacheKeyType=self._cache, cacheDuration=self._lasts, auth=auth)

    async def service_account(self, namespace: str, name: str) -> Any:
        meta = meta_v1.ObjectMeta(name=name, namespace=namespace, uid=f"uid-{name}", annotations=self.annotations)
        return core_v1.ServiceAccount(metadata=meta)

    async def pull_token(self, pod: Any, audience: str) -> str:
        self.tokens += 1
        return f"{audience}-{pod.metadata.name}"

    async def passwords(self, image: str, pod: str = "p", account: str = "") -> list[str]:
        made = core_v1.Pod(
            metadata=meta_v1.ObjectMeta(name=pod, namespace="ns"),
            spec=core_v1.PodSpec(containers=[], serviceAccountName=account or None),
        )
        return [found.password for found in await self.providers.credentials(made, image)]


@pytest.mark.parametrize(
    ("cache", "answers"),
    [("Image", ["1", "1", "2", "3"]), ("Registry", ["1", "1", "1", "2"]), ("Global", ["1", "1", "1", "1"])],
)
async def test_answers_are_kept_for_what_they_say(cache: str, answers: list[str]) -> None:
    node = Node(cache, None)
    images = ["a.r.example/x:1", "a.r.example/x:2", "a.r.example/y", "b.r.example/x"]
    assert [(await node.passwords(image))[0] for image in images] == answers
    assert node.asked[0].image == "a.r.example/x"
    await node.clock.advance(3601)
    assert await node.passwords(images[0]) != ["1"]


async def test_other_images_and_answers_that_are_not_kept() -> None:
    node = Node("Global", "0s")
    assert await node.passwords("elsewhere/x") == []
    assert await node.passwords("r.example:5000/other/x") == []
    assert [await node.passwords("r.example:5000/team/x") for _ in range(2)] == [["1"], ["2"]]


async def test_a_nonsense_answer_gives_nothing() -> None:
    assert await Node("Everything", None).passwords("a.r.example/x") == []


def attributes(**changed: Any) -> TokenAttributes:
    return TokenAttributes(
        **{
            "serviceAccountTokenAudience": "aud",
            "requireServiceAccount": True,
            "cacheType": "ServiceAccount",
            **changed,
        }
    )


async def test_answers_for_a_service_account_are_its_own() -> None:
    node = Node("Global", None, attributes(requiredServiceAccountAnnotationKeys=("team",)))
    image = "a.r.example/x"
    assert await node.passwords(image) == []
    assert [await node.passwords(image, pod, "one") for pod in "pq"] == [["1"], ["1"]]
    assert node.asked[0].serviceAccountToken == "aud-p"
    assert node.asked[0].serviceAccountAnnotations == {"team": "a"}
    assert node.tokens == 1
    assert await node.passwords(image, "p", "two") == ["2"]
    node.annotations = {"team": "b"}
    assert await node.passwords(image, "p", "one") == ["3"]
    node.annotations = {}
    assert await node.passwords(image, "p", "one") == []


async def test_answers_for_a_token_are_its_pods() -> None:
    node = Node("Global", None, attributes(cacheType="Token", requireServiceAccount=False))
    image = "a.r.example/x"
    assert [await node.passwords(image, pod, "one") for pod in "ppq"] == [["1"], ["1"], ["2"]]
    assert await node.passwords(image) == ["3"]
    assert node.asked[-1].serviceAccountToken == ""
