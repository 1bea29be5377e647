"""What was acknowledged survives, and clients find their way back."""

from __future__ import annotations

import signal
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
