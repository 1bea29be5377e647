"""Headers that say who asks are believed from a proxy with its certificate, and from nobody else."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.authority import Authority, Identity

from ..conftest import NOBODY

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SAID = {"X-Remote-User": "root", "X-Remote-Group": "system:masters", "X-Remote-Extra-Scope": "all"}


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of front proxies, which is not the users'."""
    return Authority(tmp_path_factory.mktemp("proxies"), SystemClock())


@pytest.fixture(scope="module")
def fronted(special_server: Callable[..., Any], proxies: Authority) -> Any:
    """A server that believes proxies called `front`."""
    proxies.ensure(Identity(file="front", user="front"))
    return special_server(
        "--requestheader-client-ca-file",
        str(proxies.certificate_file),
        "--requestheader-allowed-names",
        "front",
        "--requestheader-username-headers",
        "X-Remote-User",
        "--requestheader-group-headers",
        "X-Remote-Group",
        "--requestheader-extra-headers-prefix",
        "X-Remote-Extra-",
    )


def who(api: Any, pair: tuple[Path, Path] | None, **headers: str) -> tuple[int, Any]:
    """Who one is, by a client certificate and headers."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(*pair)
    connection = http.client.HTTPSConnection("127.0.0.1", api.port, context=context, timeout=20)
    try:
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
        connection.request("POST", REVIEWS, b"{}", sent)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    finally:
        connection.close()
    return answer.status, body.get("status", {}).get("userInfo") if answer.status == 201 else body


def test_request_header_spoofing(fronted: Any, proxies: Authority) -> None:
    """Without a certificate, with a user's, with a proxy's of another name, with a token: the headers say nothing."""
    own = Authority(Path(fronted.data) / "pki", SystemClock())
    user = own.ensure(Identity(file="t-eve", user="eve", groups=("devs",)))
    same_name = own.ensure(Identity(file="t-front", user="front"))
    other = proxies.ensure(Identity(file="other", user="other"))
    assert who(fronted, None, **SAID)[0] == 401
    status, found = who(fronted, user, **SAID)
    assert status == 401 or found["username"] == "eve"
    status, found = who(fronted, same_name, **SAID)
    assert status == 401 or (found["username"], "system:masters" in found["groups"]) == ("front", False)
    assert who(fronted, other, **SAID)[0] == 401
    status, found = who(fronted, None, Authorization=f"Bearer {NOBODY}", **SAID)
    assert (status, found["username"], "system:masters" in found["groups"]) == (201, "nobody", False)


def test_a_proxy_speaks_for_its_users(fronted: Any, proxies: Authority) -> None:
    front = proxies.ensure(Identity(file="front", user="front"))
    said = {"X-Remote-User": "alice", "X-Remote-Group": "devs", "X-Remote-Extra-Scope": "read"}
    status, found = who(fronted, front, **said)
    assert status == 201
    assert (found["username"], found["groups"]) == ("alice", ["devs", "system:authenticated"])
    assert found["extra"]["scope"] == ["read"]


def test_a_groups_name_with_a_comma_is_one_name(fronted: Any, proxies: Authority) -> None:
    """As a directory's names are: who may make groups there does not name himself into ours."""
    front = proxies.ensure(Identity(file="front", user="front"))
    said = {"X-Remote-User": "alice", "X-Remote-Group": "cn=x,system:masters", "X-Remote-Extra-Scope": "a,b"}
    _, found = who(fronted, front, **said)
    assert (found["groups"], found["extra"]["scope"]) == (["cn=x,system:masters", "system:authenticated"], ["a,b"])


def test_headers_that_come_several_times_are_several(fronted: Any, proxies: Authority) -> None:
    front = proxies.ensure(Identity(file="front", user="front"))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*front)
    with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", fronted.port, context=context)) as connection:
        connection.putrequest("POST", REVIEWS)
        for name, value in (
            ("Content-Type", "application/json"),
            ("Content-Length", "2"),
            ("X-Remote-User", "alice"),
            ("X-Remote-User", "bob"),
            ("X-Remote-Group", "a"),
            ("X-Remote-Group", "b,c"),
        ):
            connection.putheader(name, value)
        connection.endheaders(b"{}")
        found = json.loads(connection.getresponse().read())["status"]["userInfo"]
    assert (found["username"], found["groups"]) == ("alice", ["a", "b,c", "system:authenticated"])


def test_request_header_spoofing_where_there_is_no_proxy(api: Any) -> None:
    """By default no certificate makes a proxy, so the headers are nobody's word."""
    assert who(api, None, **SAID)[0] == 401
    own = Authority(Path(api.data) / "pki", SystemClock())
    user = own.ensure(Identity(file="t-eve", user="eve", groups=("devs",)))
    status, found = who(api, user, **SAID)
    assert (status, found["username"], "system:masters" in found["groups"]) == (201, "eve", False)
