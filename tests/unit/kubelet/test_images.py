"""Names of images and the credentials they are pulled with."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sampan.api.kinds import core_v1
from sampan.cri.errors import RuntimeFailure, RuntimeNotFound
from sampan.kubelet.imagenames import full_name, is_name, pull_policy, repository, with_tag
from sampan.kubelet.images import duration, words
from sampan.kubelet.pullsecrets import credentials_in, matching
from sampan.volumes.errors import VolumeError


@pytest.mark.parametrize(
    "name",
    [
        "nginx",
        "nginx:1.27",
        "library/nginx",
        "r.example/x:1",
        "r.example:5000/a/b_c--d:1",
        "localhost/x",
        "127.0.0.1:5000/x:1",
        "x@sha256:" + "a" * 64,
        "r/x:1@sha256:" + "a" * 64,
    ],
)
def test_good_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "Nginx", "a b", "x:", "x@sha256:zz", "/x", "x/", "x:" + "t" * 129, "-x"])
def test_bad_names(name: str) -> None:
    assert not is_name(name)


def secret(auths: dict[str, Any], type_: str = "kubernetes.io/dockerconfigjson") -> Any:
    document = {"auths": auths} if type_.endswith("json") else auths
    key = ".dockerconfigjson" if type_.endswith("json") else ".dockercfg"
    return core_v1.Secret(type=type_, data={key: base64.b64encode(json.dumps(document).encode()).decode()})


def users(image: str, auths: dict[str, Any], type_: str = "kubernetes.io/dockerconfigjson") -> list[str]:
    return [found.username for found in matching(image, credentials_in([secret(auths, type_)]))]


def test_registries_match_by_host_and_path() -> None:
    auths = {
        "r.example": {"username": "host"},
        "r.example/team": {"username": "team"},
        "r.example:5000": {"username": "port"},
        "*.wild.example": {"username": "wild"},
        "https://index.docker.io/v1/": {"auth": base64.b64encode(b"hub:pass:word").decode()},
    }
    assert users("r.example/team/x:1", auths) == ["team", "host"]
    assert users("r.example/other/x:1", auths) == ["host"]
    assert users("r.example:5000/x", auths) == ["port"]
    assert users("a.wild.example/x", auths) == ["wild"]
    assert users("a.b.wild.example/x", auths) == []
    assert users("nginx", auths) == ["hub"]
    assert users("elsewhere.example/x", auths) == []


def test_the_old_form_and_nonsense() -> None:
    assert users("r.example/x", {"r.example": {"username": "u"}}, "kubernetes.io/dockercfg") == ["u"]
    broken = core_v1.Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "bm90IGpzb24="})
    assert credentials_in([broken, core_v1.Secret(type="Opaque", data={"a": "Yg=="})]) == []


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("a/b:1", "docker.io/a/b:1"),
        ("localhost/x", "localhost/x"),
        ("r:5000/x", "r:5000/x"),
    ],
)
def test_full_names(short: str, full: str) -> None:
    assert full_name(short) == full


@pytest.mark.parametrize(
    ("image", "asked", "policy", "of", "listed"),
    [
        ("nginx", None, "Always", "docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("nginx:latest", None, "Always", "docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("r:5000/x", None, "Always", "r:5000/x", "r:5000/x:latest"),
        ("r:5000/x:1", None, "IfNotPresent", "r:5000/x", "r:5000/x:1"),
        ("x@sha256:" + "a" * 64, None, "IfNotPresent", "docker.io/library/x", "docker.io/library/x@sha256:" + "a" * 64),
        ("x", "Never", "Never", "docker.io/library/x", "docker.io/library/x:latest"),
    ],
)
def test_what_a_name_means(image: str, asked: str | None, policy: str, of: str, listed: str) -> None:
    assert (pull_policy(image, asked), repository(image), with_tag(image)) == (policy, of, listed)


def test_a_failed_pull_as_upstream_words_it() -> None:
    failures = (RuntimeNotFound("gone", "NOT_FOUND"), RuntimeFailure("why", "UNKNOWN"), VolumeError("no secret"))
    assert [words(error) for error in failures] == ["rpc error: code = NotFound desc = gone", "why", "no secret"]


def test_durations_as_go_prints_them() -> None:
    shown = [duration(seconds) for seconds in (0, 0.0004, 0.393, 1.5, 61.25, 3600, 7325.5)]
    assert shown == ["0s", "0s", "393ms", "1.5s", "1m1.25s", "1h0m0s", "2h2m5.5s"]
