"""A proxy in front that says in headers who asks; and everybody else who says so."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .parties import Authority, eventually

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SAID = {
    "X-Remote-User": "ann",
    "X-Remote-Group": "dev",
    "X-Remote-Uid": "7",
    "X-Remote-Extra-Acme.io%2Fdesk": "1",
}


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("proxies")
    proxies, people = Authority(folder, "proxies"), Authority(folder, "people")
    api = special_server(
        *("--requestheader-client-ca-file", str(proxies.bundle), "--requestheader-allowed-names", "front,second"),
        *("--requestheader-uid-headers", "X-Remote-Uid", "--client-ca-file", str(people.bundle)),
    )
    return SimpleNamespace(api=api, proxies=proxies, people=people)


def ask(
    world: Any, certificate: tuple[Path, Path] | None, headers: dict[str, str], token: str = "", body: str = "{}"
) -> Any:
    """Whom the server takes this for; the status where it is nobody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    sent = {"Content-Type": "application/json", **headers} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection = http.client.HTTPSConnection("127.0.0.1", world.api.port, context=context, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", REVIEW, body, sent)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    return body["status"]["userInfo"] if answer.status == 201 else answer.status


def test_a_proxy_is_believed(world: Any) -> None:
    user = ask(world, world.proxies.issue("front"), SAID)
    assert user == {
        "username": "ann",
        "uid": "7",
        "groups": ["dev", "system:authenticated"],
        "extra": {"acme.io/desk": ["1"]},
    }


def test_a_large_request_says_it_too(world: Any) -> None:
    """Its head is looked at twice: before the body is read, and with it."""
    body = json.dumps({"metadata": {"annotations": {"a": "x" * 50_000}}})
    assert ask(world, world.proxies.issue("front"), SAID, body=body)["username"] == "ann"
    assert ask(world, None, SAID, body=body) == 401


def test_a_proxy_that_says_nothing_is_nobody(world: Any) -> None:
    """Its certificate is of another authority than people's."""
    assert ask(world, world.proxies.issue("front"), {}) == 401
    assert ask(world, world.proxies.issue("front"), SAID | {"X-Remote-User": ""}) == 401


def test_a_certificate_of_theirs_with_another_name_is_not_believed(world: Any) -> None:
    assert ask(world, world.proxies.issue("intruder", "system:masters"), SAID) == 401


def test_nobody_else_can_say_who_they_are(world: Any) -> None:
    assert ask(world, None, SAID) == 401
    assert ask(world, None, SAID, token="nobody-token")["username"] == "nobody"
    own = ask(world, world.people.issue("bob", "dev"), SAID | {"X-Remote-Group": "system:masters"})
    assert (own["username"], own["groups"]) == ("bob", ["dev", "system:authenticated"])
    assert ask(world, world.people.issue("front"), SAID)["username"] == "front"


def test_a_proxys_certificate_makes_no_user(world: Any) -> None:
    """Not even beside a token, and not a wrong one's."""
    assert ask(world, world.proxies.issue("second", "system:masters"), {}, token="nobody-token")["username"] == "nobody"
    assert ask(world, world.proxies.issue("second"), {}, token="wrong") == 401


def test_servers_behind_this_one_are_told_whom_to_believe(world: Any) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    eventually(lambda: world.api("GET", path).status == 200)
    data = world.api("GET", path).body["data"]
    assert (data["client-ca-file"], data["requestheader-client-ca-file"]) == (world.people.text, world.proxies.text)
    assert json.loads(data["requestheader-allowed-names"]) == ["front", "second"]
    assert json.loads(data["requestheader-username-headers"]) == ["X-Remote-User"]


def test_certificates_are_named_in_what_they_give(world: Any) -> None:
    (credential,) = ask(world, world.people.issue("eve"), {})["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")
