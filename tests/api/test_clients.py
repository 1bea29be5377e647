"""Unmodified clients: kubectl and the Python client."""

from __future__ import annotations

import json
from typing import Any

import kubernetes
import pytest
import urllib3
from kubernetes.client import ApiClient, Configuration, CoreV1Api, V1ConfigMap, V1ObjectMeta

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "nginx:1"}]}
"""


@pytest.fixture
def in_namespace(api: Any, namespace: str) -> Any:
    """kubectl in the test's namespace; gives what it printed."""
    return lambda *arguments, stdin="": api.kubectl("-n", namespace, *arguments, stdin=stdin).stdout


def test_apply_both_ways(in_namespace: Any) -> None:
    assert in_namespace("apply", "-f", "-", stdin=DEPLOYMENT % 2) == "deployment.apps/web created\n"
    assert in_namespace("apply", "-f", "-", stdin=DEPLOYMENT % 2) == "deployment.apps/web unchanged\n"
    assert in_namespace("apply", "-f", "-", stdin=DEPLOYMENT % 3) == "deployment.apps/web configured\n"
    server_side = in_namespace("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=DEPLOYMENT % 4)
    assert server_side == "deployment.apps/web serverside-applied\n"
    assert in_namespace("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "4"


def test_everyday_commands(api: Any, in_namespace: Any) -> None:
    in_namespace("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    assert "web    0/2" in in_namespace("get", "deployments", "-o", "wide")
    in_namespace("scale", "deployment", "web", "--replicas=5")
    in_namespace("set", "image", "deployment/web", "nginx=nginx:2")
    in_namespace("label", "deployment", "web", "tier=front")
    in_namespace("annotate", "deployment", "web", "note=n")
    in_namespace("patch", "deployment", "web", "--type=json", '-p=[{"op":"remove","path":"/spec/replicas"}]')
    shown = json.loads(in_namespace("get", "deployment", "web", "-o", "json"))
    assert shown["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert shown["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert shown["spec"]["replicas"] == 1
    in_namespace("expose", "deployment", "web", "--port=80")
    assert "Selector:" in in_namespace("describe", "service", "web")
    in_namespace("run", "p", "--image=x")
    assert "Pending" in in_namespace("get", "pods")
    assert in_namespace("delete", "pod", "p") == 'pod "p" deleted\n'
    assert "error" not in in_namespace("delete", "deployment,service", "web")
    assert "FIELD: containers" in api.kubectl("explain", "pod.spec.containers").stdout
    assert api.kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"


def test_kubectl_reports_typos(api: Any, namespace: str) -> None:
    bad = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":{"containerz":[]}}'
    done = api.kubectl("-n", namespace, "apply", "-f", "-", stdin=bad, check=False)
    assert done.returncode != 0
    assert 'unknown field "spec.containerz"' in done.stderr


@pytest.fixture
def client(api: Any) -> Any:
    configuration = Configuration(host=api.url)
    configuration.verify_ssl = False
    configuration.api_key = {"authorization": "Bearer admin-token"}
    urllib3.disable_warnings()
    with ApiClient(configuration) as opened:
        yield opened


def test_python_client(client: Any, namespace: str) -> None:
    core = CoreV1Api(client)
    for number in range(3):
        core.create_namespaced_config_map(namespace, V1ConfigMap(metadata=V1ObjectMeta(name=f"c{number}")))
    listed = core.list_namespaced_config_map(namespace)
    assert [item.metadata.name for item in listed.items] == ["c0", "c1", "c2"]
    watch = kubernetes.watch.Watch()
    events = watch.stream(core.list_namespaced_config_map, namespace, timeout_seconds=1)
    assert [(e["type"], e["object"].metadata.name) for e in events] == [("ADDED", f"c{n}") for n in range(3)]
    patched = core.patch_namespaced_config_map("c0", namespace, {"data": {"k": "v"}})
    assert patched.data == {"k": "v"}
    core.delete_namespaced_config_map("c0", namespace)
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.read_namespaced_config_map("c0", namespace)
    assert refused.value.status == 404


def test_python_client_pages_watches_and_deletes(client: Any, api: Any, namespace: str) -> None:
    """Pages of one revision, a watch from there on, each form of patch, and a collection's end as the watch sees it."""
    core = CoreV1Api(client)
    for number in range(5):
        meta = V1ObjectMeta(name=f"c{number}", labels={"parity": ("even", "odd")[number % 2]})
        core.create_namespaced_config_map(namespace, V1ConfigMap(metadata=meta, data={"k": "v"}))
    page = core.list_namespaced_config_map(namespace, limit=2)
    seen, version = [item.metadata.name for item in page.items], page.metadata.resource_version
    assert page.metadata.remaining_item_count == 3
    while page.metadata._continue:
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=page.metadata._continue)
        seen += [item.metadata.name for item in page.items]
    assert seen == [f"c{number}" for number in range(5)]
    with pytest.raises(kubernetes.client.ApiException) as stale:
        held = core.read_namespaced_config_map("c1", namespace)
        core.replace_namespaced_config_map("c1", namespace, held)
        held.metadata.resource_version = "1"
        core.replace_namespaced_config_map("c1", namespace, held)
    assert (stale.value.status, json.loads(stale.value.body)["reason"]) == (409, "Conflict")
    core.patch_namespaced_config_map("c0", namespace, {"data": {"k": "w"}})
    core.patch_namespaced_config_map("c0", namespace, [{"op": "remove", "path": "/data/k"}])
    core.delete_collection_namespaced_config_map(namespace, label_selector="parity=even")
    options = {"resource_version": version, "timeout_seconds": 1}
    events = kubernetes.watch.Watch().stream(core.list_namespaced_config_map, namespace, **options)
    told = [f"{event['type']} {event['object'].metadata.name}" for event in events]
    assert told == ["MODIFIED c0", "MODIFIED c0", "DELETED c0", "DELETED c2", "DELETED c4"]
    chosen = core.list_namespaced_config_map(namespace, field_selector="metadata.name!=c1")
    assert [item.metadata.name for item in chosen.items] == ["c3"]
