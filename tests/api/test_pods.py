"""The subresources of pods: binding, eviction, logs, resize, and what admission makes of a new pod."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.authority import Authority, Identity

MERGE = "application/merge-patch+json"


def make_pod(api: Any, namespace: str, name: str = "p", labels: dict[str, str] | None = None, **spec: Any) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods"
    body = {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [{"name": "c", "image": "i"}], **spec},
    }
    api.make(path, body)
    return f"{path}/{name}"


def test_admission_completes_a_pod(api: Any, namespace: str) -> None:
    spec = api("GET", make_pod(api, namespace)).body["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert {t["key"]: t["tolerationSeconds"] for t in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready": 300,
        "node.kubernetes.io/unreachable": 300,
    }


def test_priority_classes(api: Any, namespace: str) -> None:
    spec = api("GET", make_pod(api, namespace, priorityClassName="system-node-critical")).body["spec"]
    assert spec["priority"] == 2000001000
    body = {
        "metadata": {"name": "q"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "priorityClassName": "nope"},
    }
    refused = api("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    assert (refused.status, refused.body["message"]) == (
        403,
        'pods "q" is forbidden: no PriorityClass with name nope was found',
    )


def binding(name: str, node: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}


def test_a_pod_is_bound_once(api: Any, namespace: str) -> None:
    path = make_pod(api, namespace)
    bound = api("POST", path + "/binding", binding("p", "n1"))
    assert (bound.status, bound.body["status"]) == (201, "Success")
    pod = api("GET", path).body
    assert pod["spec"]["nodeName"] == "n1"
    assert pod["status"]["conditions"][0]["type"] == "PodScheduled"
    again = api("POST", path + "/binding", binding("p", "n2"))
    assert (again.status, again.body["reason"]) == (409, "Conflict")
    assert again.body["message"].endswith('pod p is already assigned to node "n1"')


def test_older_bindings(api: Any, namespace: str) -> None:
    path = make_pod(api, namespace)
    assert api("POST", f"/api/v1/namespaces/{namespace}/bindings", binding("p", "n1")).status == 201
    assert api("GET", path).body["spec"]["nodeName"] == "n1"
    assert api("POST", f"/api/v1/namespaces/{namespace}/bindings", binding("absent", "n1")).status == 404


def test_eviction_respects_a_budget(api: Any, namespace: str) -> None:
    path = make_pod(api, namespace, labels={"app": "x"}, nodeName="n1")
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    api("PATCH", path + "/status", {"status": running}, content_type=MERGE)
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    api.make(
        budgets, {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
    )
    refused = api("POST", path + "/eviction", {"metadata": {"name": "p"}})
    assert (refused.status, refused.body["reason"]) == (429, "TooManyRequests")
    assert refused.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    allowed = {"status": {"disruptionsAllowed": 1, "observedGeneration": 1, "currentHealthy": 2, "desiredHealthy": 1}}
    assert api("PATCH", budgets + "/b/status", allowed, content_type=MERGE).status == 200
    assert api("POST", path + "/eviction", {"metadata": {"name": "p"}}).status == 201
    evicted = api("GET", path).body
    assert evicted["metadata"]["deletionTimestamp"]
    assert evicted["status"]["conditions"][-1]["reason"] == "EvictionByEvictionAPI"
    budget = api("GET", budgets + "/b").body["status"]
    assert (budget["disruptionsAllowed"], list(budget["disruptedPods"])) == (0, ["p"])


@pytest.mark.parametrize(
    ("policy", "healthy", "status"),
    [("AlwaysAllow", 0, 201), ("IfHealthyBudget", 0, 429), ("IfHealthyBudget", 1, 201), (None, 0, 429), (None, 1, 201)],
)
def test_eviction_of_a_pod_that_is_not_ready(
    api: Any, namespace: str, policy: str | None, healthy: int, status: int
) -> None:
    """KEP-3017: it costs the budget nothing."""
    path = make_pod(api, namespace, labels={"app": "x"}, nodeName="n1")
    api("PATCH", path + "/status", {"status": {"phase": "Running"}}, content_type=MERGE)
    budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    spec |= {"unhealthyPodEvictionPolicy": policy} if policy else {}
    api.make(budgets, {"metadata": {"name": "b"}, "spec": spec})
    counted = {"disruptionsAllowed": 0, "observedGeneration": 1, "currentHealthy": healthy, "desiredHealthy": 1}
    api("PATCH", budgets + "/b/status", {"status": counted}, content_type=MERGE)
    assert api("POST", path + "/eviction", {"metadata": {"name": "p"}}).status == status
    assert "disruptedPods" not in api("GET", budgets + "/b").body["status"]


class Kubelet(http.server.BaseHTTPRequestHandler):
    """Answers as a kubelet's `/containerLogs` does."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if "missing" in url.path:
            self.send_error(404, "no such container")
            return
        query = parse_qs(url.query)
        text = f"{url.path} {sorted(query.items())}\n".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def node(api: Any) -> Iterator[str]:
    """A node whose kubelet listens on the loopback, with a certificate of the server's authority."""
    pki = Path(api.data) / "pki"
    authority = Authority(pki, SystemClock(), "kubelet-ca")
    certificate, key = authority.ensure(Identity(file="kubelet", user="system:node:n", hosts=("127.0.0.1",)))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kubelet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(pki / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_address[1]}},
    }
    name = f"node{server.server_address[1]}"
    api.make("/api/v1/nodes", {"metadata": {"name": name}, "status": status})
    yield name
    server.shutdown()
    thread.join()
    server.server_close()


def test_logs_come_from_the_kubelet(api: Any, namespace: str, node: str) -> None:
    path = make_pod(api, namespace, nodeName=node)
    answer = api("GET", path + "/log?tailLines=5&timestamps=true&follow=false")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body == f"/containerLogs/{namespace}/p/c [('tailLines', ['5']), ('timestamps', ['true'])]\n"


def test_bad_log_requests(api: Any, namespace: str, node: str) -> None:
    path = make_pod(api, namespace, nodeName=node)
    assert api("GET", path + "/log?container=other").body["message"] == "container other is not valid for pod p"
    assert api("GET", path + "/log?tailLines=-1").status == 422
    assert api("GET", path + "/log?tailLines=1&stream=Stdout").status == 422
    assert api("GET", path + "/log?tailLines=1&stream=All").status == 200
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    two = make_pod(api, namespace, "two", nodeName=node, containers=containers)
    answer = api("GET", two + "/log")
    assert answer.status == 400
    assert answer.body["message"] == "a container name must be specified for pod two, choose one of: [a b]"
    waiting = make_pod(api, namespace, "waiting")
    assert api("GET", waiting + "/log").status == 200


def test_scale(api: Any, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    api.make(path, {"metadata": {"name": "d"}, "spec": spec})
    scale = api("GET", path + "/d/scale").body
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "a=b")
    scale["spec"]["replicas"] = 5
    assert api("PUT", path + "/d/scale", scale).body["spec"]["replicas"] == 5
    assert api("PUT", path + "/d/scale", scale).status == 409
    assert api("PATCH", path + "/d/scale", {"spec": {"replicas": -1}}, content_type=MERGE).status == 422
    assert api("GET", path + "/d").body["spec"]["replicas"] == 5


def test_an_unknown_subresource_is_not_found(api: Any, namespace: str) -> None:
    path = make_pod(api, namespace)
    assert api("GET", path + "/nonsense").status == 404
