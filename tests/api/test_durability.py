"""What was acknowledged survives, and clients find their way back."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any


def test_kill_and_restart_lose_nothing(server: Any, tmp_path: Any) -> None:
    api = server.start()
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(50):
        api.make(path, {"metadata": {"name": f"c{number}"}, "data": {"n": str(number)}})
    service = api.make(
        "/api/v1/namespaces/default/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}
    )
    before = api("GET", path).body
    server.stop(signal.SIGKILL)
    api = server.start()
    after = api("GET", path).body
    assert after["items"] == before["items"]
    since = before["metadata"]["resourceVersion"]
    api.make(path, {"metadata": {"name": "later"}})
    events = api.watch(f"{path}?watch=true&resourceVersion={since}&timeoutSeconds=1")
    assert [e["object"]["metadata"]["name"] for e in events] == ["later"]
    address = service["spec"]["clusterIP"]
    clash = {"metadata": {"name": "t"}, "spec": {"ports": [{"port": 1}], "clusterIP": address}}
    assert api("POST", "/api/v1/namespaces/default/services", clash).status == 422


def test_a_server_whose_writer_died_ends_and_its_successor_has_everything(server: Any, tmp_path: Any) -> None:
    """The process that writes the file is killed: what was acknowledged is there, what was not is told as a failure."""
    server.stop()
    api = server.start()
    known = {item["metadata"]["name"] for item in api("GET", "/api/v1/namespaces/default/configmaps").body["items"]}
    path = "/api/v1/namespaces/default/configmaps"
    api.make(path, {"metadata": {"name": "kept"}})
    (writer,) = map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())
    os.kill(writer, signal.SIGKILL)
    refused = api("POST", path, {"metadata": {"name": "lost"}})
    assert (refused.status, refused.body["reason"]) == (503, "ServiceUnavailable")
    assert server.ended() == 1
    assert "must be restarted" in server.log()
    api = server.start()
    assert {item["metadata"]["name"] for item in api("GET", path).body["items"]} == known | {"kept"}
