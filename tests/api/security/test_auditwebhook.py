"""The audit log by a webhook that runs, and in batches: nothing is lost while it can be told, and nobody waits for it
unless that was asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..auth.parties import Authority, Party

MAPS = "/api/v1/namespaces/default/configmaps"
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: RequestResponse, verbs: [create], resources: [{group: "", resources: [configmaps]}]}
- {level: None}
"""
SECONDS = 60.0


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Party]:
    party = Party(Authority(tmp_path, "audit"), "server", lambda path, body: (200, {}))
    yield party
    party.stop()


@pytest.fixture
def flags(tmp_path: Path, listener: Party) -> list[str]:
    (tmp_path / "policy.yaml").write_text(POLICY)
    kubeconfig = listener.kubeconfig(tmp_path, "audit", "/events", token="ours")
    return [
        *("--audit-policy-file", str(tmp_path / "policy.yaml")),
        *("--audit-webhook-config-file", str(kubeconfig)),
    ]


def told(listener: Party) -> list[tuple[str, str]]:
    """Stage and name of the events that have come."""
    events = [event for body in listener.seen for event in body["items"]]
    return [(event["stage"], event["objectRef"].get("name", "")) for event in events]


def make(api: Any, name: str, size: int = 1) -> Any:
    return api("POST", MAPS, {"metadata": {"name": name}, "data": {"a": "x" * size}})


def await_(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_batches_come_and_nobody_waits_for_them(
    special_server: Callable[..., Any], listener: Party, flags: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "audit.log"
    batches = ["--audit-webhook-batch-max-wait", "50ms", "--audit-webhook-initial-backoff", "1s"]
    batches += ["--audit-webhook-truncate-enabled", "true"]
    flags += ["--audit-webhook-truncate-max-event-size", "4096", "--audit-log-path", str(log)]
    api = special_server(*flags, *batches, "--audit-log-mode", "batch")
    listener.stop()
    assert make(api, "a").status == 201
    listener.start()
    assert make(api, "b", 10_000).status == 201
    complete = {("ResponseComplete", "a"), ("ResponseComplete", "b")}
    await_(lambda: complete <= set(told(listener)))
    assert set(listener.shown) == {"Bearer ours"}
    assert {(body["kind"], body["apiVersion"]) for body in listener.seen} == {("EventList", "audit.k8s.io/v1")}
    large = next(e for body in listener.seen for e in body["items"] if e["objectRef"].get("name") == "b")
    assert "requestObject" not in large and large["annotations"]["audit.k8s.io/truncated"] == "true"
    await_(lambda: log.read_text().count("\n") == 4)
    assert "x" * 10_000 in json.loads(log.read_text().splitlines()[-1])["requestObject"]["data"]["a"]


def test_blocking_an_event_is_told_before_the_answer(
    special_server: Callable[..., Any], listener: Party, flags: list[str]
) -> None:
    api = special_server(*flags, "--audit-webhook-mode", "blocking-strict", "--audit-webhook-initial-backoff", "10ms")
    assert make(api, "a").status == 201
    assert told(listener) == [("RequestReceived", ""), ("ResponseComplete", "a")]
    listener.handle = lambda path, body: (403, {})
    refused = make(api, "b")
    assert (refused.status, refused.body["message"]) == (500, "Internal error occurred: audit log")
    listener.handle = lambda path, body: (200, {})
    assert api("GET", f"{MAPS}/b").status == 404
    assert make(api, "b").status == 201
    metrics = api("GET", "/metrics").body
    assert 'apiserver_audit_error_total{plugin="webhook"} 2' in metrics
    assert "apiserver_audit_requests_rejected_total 1" in metrics
