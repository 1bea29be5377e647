"""FlowSchemas and priority levels made at start, and what of them is kept when somebody has changed them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sampan.apiserver.bootstrap.flowcontrol import AUTOMATIC, FLOWS, LEVELS
from sampan.apiserver.config import Config
from sampan.apiserver.server import ApiServer
from sampan.store.sqlite import SqliteStore
from sampan.testing.clock import VirtualClock
from sampan.testing.direct import DirectTransport

BASE = "/apis/flowcontrol.apiserver.k8s.io/v1"
MERGE = {"content-type": "application/merge-patch+json"}


async def asked(server: ApiServer, method: str, path: str, body: Any = None, headers: Mapping[str, str] = MERGE) -> Any:
    data = b"" if body is None else msgspec.json.encode(body)
    status, answer = await DirectTransport(lambda: server).request(method, f"{BASE}/{path}", headers, data)
    assert status == 200, answer
    return msgspec.json.decode(answer)


async def restarted(folder: Path, clock: VirtualClock) -> ApiServer:
    server = ApiServer(Config(), SqliteStore(folder / "store.db", clock=clock), clock, random.Random(1))
    await server.start(listen=False)
    return server


async def test_a_new_cluster_has_upstreams_and_a_restart_writes_none(tmp_path: Path) -> None:
    clock = VirtualClock()
    first = await restarted(tmp_path, clock)
    flows = {one["metadata"]["name"]: one for one in (await asked(first, "GET", "flowschemas"))["items"]}
    levels = {
        one["metadata"]["name"]: one for one in (await asked(first, "GET", "prioritylevelconfigurations"))["items"]
    }
    assert flows.keys() == FLOWS.keys()
    assert levels.keys() == {"exempt", *LEVELS}
    for one in flows.values():
        assert one["spec"]["priorityLevelConfiguration"]["name"] in levels
        assert [(c["type"], c["status"]) for c in one["status"]["conditions"]] == [("Dangling", "False")]
    assert levels["exempt"]["spec"] == {
        "type": "Exempt",
        "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0},
    }
    assert levels["catch-all"]["spec"]["limited"]["limitResponse"] == {"type": "Reject"}
    await first.close()
    again = await restarted(tmp_path, clock)
    later = {one["metadata"]["name"]: one for one in (await asked(again, "GET", "flowschemas"))["items"]}
    assert later == flows
    await again.close()


async def test_what_an_administrator_has_made_their_own_stays(tmp_path: Path) -> None:
    clock = VirtualClock()
    server = await restarted(tmp_path, clock)
    low = "prioritylevelconfigurations/workload-low"
    high = "prioritylevelconfigurations/workload-high"
    own = {"metadata": {"annotations": {AUTOMATIC: "false"}}, "spec": {"limited": {"nominalConcurrencyShares": 7}}}
    await asked(server, "PATCH", low, own)
    await asked(server, "PATCH", high, {"spec": own["spec"]})
    await asked(server, "DELETE", "flowschemas/probes")
    await server.close()
    server = await restarted(tmp_path, clock)
    assert (await asked(server, "GET", low))["spec"]["limited"]["nominalConcurrencyShares"] == 7
    assert (await asked(server, "GET", high))["spec"]["limited"]["nominalConcurrencyShares"] == 40
    assert (await asked(server, "GET", "flowschemas/probes"))["spec"]["matchingPrecedence"] == 2
    await server.close()
