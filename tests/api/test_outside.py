"""What an operator sees of a server: identities of requests, its log, its health, its figures."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

MERGE = "application/merge-patch+json"
MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"


# the identity of a request


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", MAPS, "admin-token", 200),
        ("GET", f"{MAPS}/nope", "admin-token", 404),
        ("GET", MAPS, "wrong", 401),
        ("GET", SECRETS, "nobody-token", 403),
        ("OPTIONS", MAPS, "admin-token", 405),
        ("GET", "/readyz", None, 200),
        ("GET", "/nowhere", "admin-token", 404),
        ("GET", f"{MAPS}?watch=true&timeoutSeconds=1", "admin-token", 200),
        ("POST", MAPS, "admin-token", 400),
    ],
)
def test_every_answer_has_an_audit_id(api: Any, method: str, path: str, token: str | None, status: int) -> None:
    body = b"{" if method == "POST" else None
    answers = [api(method, path, body, token=token) for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
    first, second = (uuid.UUID(answer.headers["audit-id"]) for answer in answers)
    assert first != second
    assert first.version == second.version == 4
    own = api(method, path, body, token=token, headers={"Audit-ID": "my-own, 1"})
    assert own.headers["audit-id"] == "my-own, 1"


def test_refused_bodies_and_streamed_lists_have_one(api: Any) -> None:
    too_large = api("POST", MAPS, b"x" * (4 << 20))
    assert (too_large.status, len(too_large.headers["audit-id"])) == (413, 36)
    strangers = api("POST", MAPS, b"x" * 100_000, token="wrong")
    assert (strangers.status, len(strangers.headers["audit-id"])) == (401, 36)


# the log


@pytest.fixture(scope="module")
def logged(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Callable[[str], str]]]:
    """A server that logs every request, and what finds the line of an identity."""
    talkative = type(server)(tmp_path_factory.mktemp("log"), "-v", "3")
    api = talkative.start()

    def found(identity: str) -> str:
        lines = [line for line in talkative.log().splitlines() if f'id="{identity}"' in line]
        assert len(lines) == 1, talkative.log()[-2000:]
        return str(lines[0])

    yield api, found
    talkative.stop()


def test_a_line_a_request(logged: Any) -> None:
    api, found = logged
    body = {"metadata": {"name": "s"}, "stringData": {"password": "hidden-body"}}
    api("POST", f"{SECRETS}?fieldManager=hidden-query", body, headers={"Audit-ID": "one"})
    line = found("one")
    assert re.search(
        r' INFO sampan\.apiserver\.requestlog request id="one" method=POST path="/api/v1/namespaces/default/secrets" '
        r'user="admin" verb="create" resource="secrets" code=201 latency=\d+\.\dms size=\d+ agent="tests/1"$',
        line,
    ), line
    api("GET", "/apis/apps/v1/namespaces/a/deployments/d/scale", headers={"Audit-ID": "two"})
    assert ' verb="get" resource="deployments.apps/scale" code=404 ' in found("two")
    api("GET", f"{MAPS}?watch=1&timeoutSeconds=1", headers={"Audit-ID": "three"})
    assert ' verb="watch" resource="configmaps" code=200 ' in found("three")
    api("GET", MAPS, token="hidden-token", headers={"Audit-ID": "four"})
    assert ' user="" verb="list" resource="configmaps" code=401 ' in found("four")


def test_no_line_holds_a_secret(logged: Any) -> None:
    api, found = logged
    secret = {"Authorization": "Bearer hidden-token", "Cookie": "hidden-cookie", "Audit-ID": "secret"}
    api("GET", f"{SECRETS}?labelSelector=hidden-query", token=None, headers=secret)
    api("POST", SECRETS, {"metadata": {"name": "t"}, "stringData": {"password": "hidden-body"}})
    assert " code=401 " in found("secret")
    assert "hidden" not in (api.data / "server.log").read_text()


@pytest.mark.parametrize(
    "path",
    ["/a%0aforged%20line", "/a%0d%0aforged", "/a%22%20code=200", "/%1b[31mred", "/%e2%80%a8forged", "/%00", "/%7f"],
)
def test_no_client_forges_a_line(logged: Any, path: str) -> None:
    api, found = logged
    identity = f"forger{path.encode().hex()}"[:60]
    api("GET", path, headers={"Audit-ID": identity, "User-Agent": 'x" code=200 \x85 \xff'})
    line = found(identity)
    assert line.isascii()
    assert line.isprintable()
    assert line.count(" code=") - line.count('\\" code=') == 1
    text = (api.data / "server.log").read_text()
    assert not [other for other in text.splitlines() if other.startswith("forged")]


def test_long_names_are_cut(logged: Any) -> None:
    api, found = logged
    api("GET", f"/{'a' * 30_000}", headers={"Audit-ID": "long", "User-Agent": "b" * 20_000})
    assert len(found("long")) < 1000


def test_what_goes_well_is_not_logged_otherwise(server: Any, api: Any) -> None:
    api("GET", MAPS, headers={"Audit-ID": "quiet"})
    api("GET", f"{MAPS}?resourceVersion=999999999", headers={"Audit-ID": "loud"})
    assert 'id="quiet"' not in server.log()
    assert ' WARNING sampan.apiserver.requestlog request id="loud" ' in server.log()
    assert " code=504 " in server.log()


# health


@pytest.mark.parametrize("root", ["livez", "readyz", "healthz"])
def test_health(api: Any, root: str) -> None:
    assert api("GET", f"/{root}", token=None).body == "ok"
    told = api("GET", f"/{root}?verbose", token=None).body
    assert told.endswith(f"\n{root} check passed\n")
    checks = [line.removeprefix("[+]").removesuffix(" ok") for line in told.splitlines()[:-1]]
    assert checks[:3] == ["ping", "log", "etcd"]
    assert ("informer-sync" in checks) is (root == "readyz")
    assert ("shutdown" in checks) is (root == "readyz")
    for check in checks:
        assert api("GET", f"/{root}/{check}", token=None).body == "ok"
    assert api("GET", f"/{root}/nothing", token=None).status == 404


def test_checks_are_excluded(api: Any) -> None:
    told = api("GET", "/readyz?verbose&exclude=etcd&exclude=log&exclude=nothing", token=None).body
    assert "[+]etcd excluded: ok\n" in told
    assert "[+]log excluded: ok\n" in told
    assert "[+]ping ok\n" in told
    assert 'warn: some health checks cannot be excluded: no matches for "nothing"\n' in told
    assert told.endswith("readyz check passed\n")


def test_statusz(api: Any) -> None:
    told = api("GET", "/statusz").body
    assert told["version"].startswith("v1.36.0+sampan")
    assert told["uptime_seconds"] > 0
    assert told["connections"] >= 1
    assert told["cache"]["resources"]["core/namespaces"]["objects"] >= 4
    assert told["store"]["kind"] == "sqlite"
    assert api("GET", "/statusz", token="nobody-token").status == 403


# figures


def samples(api: Any) -> dict[str, list[tuple[dict[str, str], float]]]:
    """By name; read by Prometheus' own parser."""
    answer = api("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.body):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(api: Any, name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(v for have, v in samples(api).get(name, []) if labels.items() <= have.items())


def test_main_names_are_upstreams(api: Any) -> None:
    api.make(MAPS, {"metadata": {"generateName": "counted-"}})
    api("GET", MAPS)
    found = samples(api)
    request = {"component", "dry_run", "group", "resource", "scope", "subresource", "verb", "version"}
    wanted: dict[str, set[str]] = {
        "apiserver_request_total": request | {"code"},
        "apiserver_request_duration_seconds_bucket": request | {"le"},
        "apiserver_request_duration_seconds_count": request,
        "apiserver_response_sizes_bucket": request | {"le"},
        "apiserver_current_inflight_requests": {"request_kind"},
        "apiserver_storage_objects": {"resource"},
        "apiserver_storage_size_bytes": set(),
        "etcd_request_duration_seconds_bucket": {"operation", "group", "resource", "le"},
        "etcd_requests_total": {"operation", "group", "resource"},
        "kubernetes_build_info": {"git_version", "major", "minor", "platform"},
        "process_cpu_seconds_total": set(),
        "process_resident_memory_bytes": set(),
        "process_virtual_memory_bytes": set(),
        "process_start_time_seconds": set(),
        "process_open_fds": set(),
        "process_max_fds": set(),
    }
    for name, labels in wanted.items():
        assert name in found, name
        assert set(found[name][0][0]) == labels, name


@pytest.mark.parametrize(
    ("method", "path", "body", "labels"),
    [
        ("GET", f"{MAPS}/nope", None, {"verb": "GET", "scope": "resource", "code": "404"}),
        ("GET", MAPS, None, {"verb": "LIST", "scope": "namespace", "code": "200"}),
        ("GET", "/api/v1/configmaps", None, {"verb": "LIST", "scope": "cluster", "code": "200"}),
        ("POST", MAPS, {"metadata": {"generateName": "x-"}}, {"verb": "POST", "scope": "resource", "code": "201"}),
        (
            "POST",
            f"{MAPS}?dryRun=All",
            {"metadata": {"generateName": "x-"}},
            {"verb": "POST", "dry_run": "All", "code": "201"},
        ),
        ("DELETE", f"{MAPS}/nope", None, {"verb": "DELETE", "scope": "resource", "code": "404"}),
    ],
)
def test_requests_are_counted(api: Any, method: str, path: str, body: Any, labels: dict[str, str]) -> None:
    labels = labels | {"resource": "configmaps", "version": "v1"}
    before = value(api, "apiserver_request_total", **labels)
    api(method, path, body)
    assert value(api, "apiserver_request_total", **labels) == before + 1


def test_applies_are_counted_apart(api: Any) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}}
    api("PATCH", f"{MAPS}/applied?fieldManager=m", config, content_type="application/apply-patch+yaml")
    assert value(api, "apiserver_request_total", verb="APPLY", resource="configmaps", code="201") == 1


def test_who_sends_much_is_counted_once(api: Any) -> None:
    """Who asks is found out before a large body is read; reading the figures counts, too."""
    asked = "authentication_duration_seconds_count"
    decided = "authorization_duration_seconds_count"
    before = value(api, asked, result="success"), value(api, decided, result="allowed")
    api.make(MAPS, {"metadata": {"generateName": "x-"}, "data": {"x": "y" * 100_000}})
    assert value(api, asked, result="success") == before[0] + 3
    assert value(api, decided, result="allowed") == before[1] + 3
    wrong = value(api, asked, result="error")
    assert api("POST", MAPS, b"x" * 100_000, token="wrong").status == 401
    assert value(api, asked, result="error") == wrong + 1


def test_objects_and_commits_are_counted(api: Any, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/endpoints"
    objects = {"resource": "endpoints"}
    before = value(api, "apiserver_storage_objects", **objects)
    commits = value(api, "etcd_request_duration_seconds_count", operation="create", **objects)
    for number in range(3):
        api.make(path, {"metadata": {"name": f"e{number}"}})
    api("PATCH", f"{path}/e0", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    api("DELETE", f"{path}/e1")
    assert value(api, "apiserver_storage_objects", **objects) == before + 2
    assert value(api, "etcd_request_duration_seconds_count", operation="create", **objects) == commits + 3
    assert value(api, "etcd_request_duration_seconds_count", operation="update", **objects) >= 1
    assert value(api, "etcd_request_duration_seconds_count", operation="delete", **objects) >= 1


def test_watches_are_counted(api: Any, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
    running = {"verb": "WATCH", "resource": "daemonsets", "group": "apps", "scope": "namespace"}
    sent = value(api, "apiserver_watch_events_total", kind="DaemonSet")
    began = api("GET", path).body["metadata"]["resourceVersion"]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            thread = threading.Thread(
                target=api.watch, args=(f"{path}?watch=1&timeoutSeconds=3&resourceVersion={began}",)
            )
            thread.start()
            stack.callback(thread.join)
        deadline = time.monotonic() + 10
        while value(api, "apiserver_longrunning_requests", **running) < 3:
            assert time.monotonic() < deadline
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        api.make(path, {"metadata": {"name": "d"}, "spec": spec})
    assert value(api, "apiserver_watch_events_total", kind="DaemonSet") == sent + 3
    assert value(api, "apiserver_longrunning_requests", **running) == 0
    assert value(api, "apiserver_request_total", verb="WATCH", resource="daemonsets", code="200") == 3


def test_no_client_makes_series(api: Any) -> None:
    """What nobody serves is all one: paths, kinds, subresources, methods, whoever asks."""
    before = len(samples(api)["apiserver_request_total"])
    for number in range(12):
        for path in (f"/p{number}", f"/apis/g{number}/v1/k", f"/api/v1/k{number}", f"{MAPS}/x/s{number}", f"{MAPS}/n"):
            api("GET", f"{path}?dryRun={number}", token=None if number % 2 else "admin-token")
    assert len(samples(api)["apiserver_request_total"]) <= before + 8


def test_figures_are_not_for_everybody(api: Any) -> None:
    assert api("GET", "/metrics", token=None).status == 401
    assert api("GET", "/metrics", token="nobody-token").status == 403
