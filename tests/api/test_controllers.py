"""The controllers against the real API server, asked by the real kubectl, over simulated nodes."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.client.config import ClientConfig
from sampan.client.rest import RestClient
from sampan.controllers.context import Config
from sampan.controllers.manager import ControllerManager
from sampan.testing.nodes import Behaviour, SimulatedNodes

TOKEN = "admin-token"


class Cluster:
    """Controllers and simulated nodes in a thread of their own, so that kubectl may be waited for."""

    def __init__(self, url: str, root_ca: Path) -> None:
        self._root_ca = root_ca
        self._config = ClientConfig(server=url, token=TOKEN, insecure_skip_tls_verify=True)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._main(),), name="controllers", daemon=True
        )
        self._thread.start()
        self._started.wait(30)

    def stop(self) -> None:
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(30)
        self._loop.close()

    async def _main(self) -> None:
        clock, rng = SystemClock(), random.Random(1)
        self._task = asyncio.current_task()
        async with RestClient(self._config, clock) as ours, RestClient(self._config, clock) as theirs:
            manager = ControllerManager(ours, clock, rng, Config(root_ca=self._root_ca))
            quick = Behaviour(start_seconds=0.05, stop_seconds=0.05)
            nodes = SimulatedNodes(theirs, clock, rng, ["n1", "n2", "n3"], behaviour=quick, bind=True)
            self._started.set()
            try:
                await asyncio.gather(manager.run(), nodes.run())
            except asyncio.CancelledError:
                return


@pytest.fixture(scope="module")
def cluster(api: Any) -> Iterator[Any]:
    running = Cluster(api.url, api.data / "pki" / "ca.crt")
    try:
        wait(api, "node/n1", "condition=Ready")
        yield api
    finally:
        running.stop()


def wait(api: Any, what: str, until: str, *arguments: str) -> None:
    for _ in range(60):
        done = api.kubectl("wait", what, f"--for={until}", "--timeout=20s", *arguments, check=False)
        if done.returncode == 0:
            return
        threading.Event().wait(0.3)
    raise AssertionError(done.stderr)


def get(api: Any, *what: str) -> Any:
    return json.loads(api.kubectl("get", *what, "-o", "json").stdout)


def test_a_namespace_comes_with_its_account_and_certificate_and_goes_with_all_it_holds(cluster: Any) -> None:
    cluster.kubectl("create", "namespace", "whole")
    wait(cluster, "serviceaccount/default", "create", "-n", "whole")
    wait(cluster, "configmap/kube-root-ca.crt", "create", "-n", "whole")
    cluster.kubectl("create", "deployment", "web", "--image=x", "--replicas=3", "-n", "whole")
    cluster.kubectl("rollout", "status", "deployment/web", "-n", "whole", "--timeout=30s")
    cluster.kubectl("delete", "namespace", "whole", "--timeout=40s")
    assert get(cluster, "pods", "-n", "whole")["items"] == []


def test_a_rollout_and_its_undo(cluster: Any) -> None:
    cluster.kubectl("create", "deployment", "roll", "--image=x:1", "--replicas=4")
    cluster.kubectl("rollout", "status", "deployment/roll", "--timeout=30s")
    cluster.kubectl("set", "image", "deployment/roll", "x=x:2")
    cluster.kubectl("rollout", "status", "deployment/roll", "--timeout=30s")
    history = cluster.kubectl("rollout", "history", "deployment/roll").stdout
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    cluster.kubectl("rollout", "undo", "deployment/roll")
    cluster.kubectl("rollout", "status", "deployment/roll", "--timeout=30s")
    (image,) = {p["spec"]["containers"][0]["image"] for p in live(cluster, "app=roll")}
    assert image == "x:1"
    cluster.kubectl("scale", "deployment/roll", "--replicas=12")
    cluster.kubectl("rollout", "status", "deployment/roll", "--timeout=30s")
    assert len(live(cluster, "app=roll")) == 12
    cluster.kubectl("expose", "deployment", "roll", "--port=80")
    wait(cluster, "endpointslices", "jsonpath={.endpoints[11].conditions.ready}=true", "-l", "app=roll")
    cluster.kubectl("delete", "service", "roll")


def live(api: Any, labels: str) -> list[Any]:
    return [p for p in get(api, "pods", "-l", labels)["items"] if "deletionTimestamp" not in p["metadata"]]


@pytest.mark.parametrize(("cascade", "left"), [("background", 0), ("foreground", 0), ("orphan", 1)])
def test_deleting_in_every_form(cluster: Any, cascade: str, left: int) -> None:
    name = f"del-{cascade}"
    cluster.kubectl("create", "deployment", name, "--image=x", "--replicas=2")
    cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
    cluster.kubectl("delete", "deployment", name, f"--cascade={cascade}", "--timeout=30s")
    if not left:
        cluster.kubectl("wait", "pods", "-l", f"app={name}", "--for=delete", "--timeout=30s")
    sets = get(cluster, "replicasets", "-l", f"app={name}")["items"]
    assert len(sets) == left
    assert all("ownerReferences" not in one["metadata"] for one in sets)
    assert len(live(cluster, f"app={name}")) == 2 * left


MAPS = "/api/v1/namespaces/default/configmaps"
ORDER = {
    "Background": ["DELETED owner", "DELETED dependent"],
    "Foreground": ["MODIFIED owner", "DELETED dependent", "DELETED owner"],
    "Orphan": ["MODIFIED owner", "MODIFIED dependent", "DELETED owner"],
}


@pytest.mark.parametrize("policy", ORDER)
def test_the_order_in_which_owner_and_dependent_end(cluster: Any, policy: str) -> None:
    """As a watcher sees it, with the garbage collector at work."""
    owner = cluster.make(MAPS, {"metadata": {"name": "owner"}})["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    dependent = {"name": "dependent", "ownerReferences": [reference | {"blockOwnerDeletion": True}]}
    began = cluster.make(MAPS, {"metadata": dependent})["metadata"]["resourceVersion"]
    assert cluster("DELETE", f"{MAPS}/owner", {"propagationPolicy": policy}).status == 200
    gone = ["owner"] if policy == "Orphan" else ["owner", "dependent"]
    for name in gone:
        cluster.kubectl("wait", f"configmap/{name}", "--for=delete", "--timeout=30s")
    names = "fieldSelector=metadata.name!%3Dkube-root-ca.crt"
    events = cluster.watch(f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion={began}&{names}")
    seen = [(event["type"], event["object"]["metadata"]) for event in events]
    assert [f"{kind} {metadata['name']}" for kind, metadata in seen] == ORDER[policy]
    if policy == "Orphan":
        assert "ownerReferences" not in seen[1][1]
        assert cluster("DELETE", f"{MAPS}/dependent").status == 200


SETS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: "x:1"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: "x:1"}]}
"""


@pytest.mark.parametrize(("name", "pods"), [("statefulset/db", 3), ("daemonset/agent", 3)])
def test_sets_roll_out_and_back(cluster: Any, name: str, pods: int) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=SETS)
    cluster.kubectl("rollout", "status", name, "--timeout=30s")
    cluster.kubectl("set", "image", name, "c=x:2")
    cluster.kubectl("rollout", "status", name, "--timeout=30s")
    label = f"app={name.partition('/')[2]}"
    assert {p["spec"]["containers"][0]["image"] for p in live(cluster, label)} == {"x:2"}
    cluster.kubectl("rollout", "undo", name)
    cluster.kubectl("rollout", "status", name, "--timeout=30s")
    assert [p["spec"]["containers"][0]["image"] for p in live(cluster, label)] == ["x:1"] * pods


JOBS = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      completions: 3
      completionMode: Indexed
      parallelism: 3
      template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}
"""


def test_a_job_made_from_a_cron_job_completes(cluster: Any) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=JOBS)
    cluster.kubectl("create", "job", "now", "--from=cronjob/nightly")
    wait(cluster, "pods", "condition=Ready", "-l", "job-name=now")
    for pod in live(cluster, "job-name=now"):
        done = json.dumps({"status": {"phase": "Succeeded"}})
        cluster.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "-p", done)
    wait(cluster, "job/now", "condition=Complete")
    job = get(cluster, "job", "now")
    assert (job["status"]["completedIndexes"], job["status"]["succeeded"]) == ("0-2", 3)
    pods = get(cluster, "pods", "-l", "job-name=now")["items"]
    assert all("finalizers" not in pod["metadata"] for pod in pods)
