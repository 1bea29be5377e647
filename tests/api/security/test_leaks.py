"""What is secret appears in no log, metric or error; and no text from outside makes up a line of a log."""

from __future__ import annotations

import base64
import http.client
import re
from collections.abc import Iterator

import pytest

from ..conftest import ADMIN, Api, Process, insecure

PASSWORD = "correct-horse-battery-staple"
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+ ")
PLACE = "/api/v1/namespaces/default"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that logs all it can."""
    process = Process(tmp_path_factory.mktemp("talkative"), "--log-level", "debug")
    process.start()
    yield process
    process.stop()


def asked(api: Api, target: str, **headers: str) -> int:
    """The status of a request whose head may hold anything that HTTP lets through."""
    connection = http.client.HTTPSConnection("127.0.0.1", api.port, timeout=20, context=insecure())
    try:
        connection.putrequest("GET", target)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_cve_2019_11250_and_cve_2020_8565_tokens_are_not_logged(talkative: Process) -> None:
    """At any level: neither tokens that come in nor those that are made, nor what secrets hold."""
    api = Api(talkative.port, talkative._data)
    api.make(f"{PLACE}/serviceaccounts", {"metadata": {"name": "bot"}})
    token = api("POST", f"{PLACE}/serviceaccounts/bot/token", {"spec": {}}).body["status"]["token"]
    assert api("GET", f"{PLACE}/pods", token=token).status == 403
    assert api("GET", f"{PLACE}/pods", token=token + "x").status == 401
    review = {"spec": {"token": token}}
    assert api("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review).body["status"]["authenticated"]
    secret = {"metadata": {"name": "s"}, "stringData": {"password": PASSWORD}}
    api.make(f"{PLACE}/secrets", secret)
    wrong = [
        api("POST", f"{PLACE}/secrets", secret),
        api("POST", f"{PLACE}/secrets", {"metadata": {"name": "BAD"}, "stringData": {"password": PASSWORD}}),
        api("POST", f"{PLACE}/secrets", {"metadata": {"name": "t"}, "data": {"password": PASSWORD}}),
        api("POST", f"{PLACE}/secrets?dryRun=x", secret),
    ]
    assert all(answer.status >= 400 for answer in wrong)
    told = [str(answer.body) for answer in wrong[:2] + wrong[3:]] + [api("GET", "/metrics").body]
    private = [PASSWORD, base64.b64encode(PASSWORD.encode()).decode(), token, token.rpartition(".")[2], ADMIN]
    text = talkative.log()
    assert "serving port=" in text
    for place in (text, *told):
        assert [one for one in private if one in place] == []


@pytest.mark.parametrize("text", ["ok%0d%0aforged", "%1b[2J", "a%0a2026-01-01 00:00:00,000 INFO sampan all-is-well"])
def test_log_injection(talkative: Process, text: str) -> None:
    """Whatever a request says, each line of the log is a record of the server's."""
    api = Api(talkative.port, talkative._data)
    target = f"{PLACE}/pods/{text.replace(' ', '%20')}"
    assert asked(api, target, Authorization=f"Bearer {ADMIN}", User_Agent="x\x1b[2J") in (400, 404)
    assert asked(api, target, Authorization="Bearer \x1bforged") in (400, 401)
    assert asked(api, target, Authorization="Bearer forged", User_Agent="%0aforged") == 401
    lines = [line for line in talkative.log().splitlines() if not line.startswith(("    ", "serving on "))]
    assert lines
    assert [line for line in lines if not RECORD.match(line) or "\x1b" in line] == []
