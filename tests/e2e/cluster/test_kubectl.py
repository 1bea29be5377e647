"""The everyday kubectl commands, with the current kubectl and with Debian's of 2021."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from .harness import Cluster, run, until
from .manifests import deployment, script, service


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Cluster:
    cluster.apply(deployment("web", replicas=2), service("web"))
    cluster.ready_pods("app=web", 2)
    return cluster


def test_get_in_every_form(web: Cluster, kubectl: str) -> None:
    wide = web.kubectl("get", "pods", "-o", "wide", program=kubectl).stdout.splitlines()
    assert wide[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert wide[1].split()[1:4] == ["1/1", "Running", "0"]
    document = yaml.safe_load(web.kubectl("get", "deployment", "web", "-o", "yaml", program=kubectl).stdout)
    assert document["status"]["readyReplicas"] == 2
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    assert web.kubectl("get", "deployment", "web", "-o", path, program=kubectl).stdout == "sampan.dev/sample:1"
    listing = web.kubectl("get", "all", program=kubectl).stdout
    assert all(f"{kind}/" in listing for kind in ("pod", "service", "deployment.apps", "replicaset.apps"))


def test_describe(web: Cluster, kubectl: str) -> None:
    pod = web.kubectl("describe", "pod", "-l", "app=web", program=kubectl).stdout
    for expected in ("Controlled By:  ReplicaSet/web-", "Scheduled", "Pulled", "Created", "Started"):
        assert expected in pod
    described = web.kubectl("describe", "deployment", "web", program=kubectl).stdout
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in described
    assert "ScalingReplicaSet" in described
    assert "Endpoints:" in web.kubectl("describe", "service", "web", program=kubectl).stdout
    assert "KubeletReady" in web.kubectl("describe", "node", program=kubectl).stdout


def test_explain(web: Cluster, kubectl: str) -> None:
    text = web.kubectl("explain", "deployment.spec.strategy.rollingUpdate.maxSurge", program=kubectl).stdout
    assert "maxSurge" in text and "maximum number of pods" in text
    assert "containers" in web.kubectl("explain", "pod", "--recursive", program=kubectl).stdout


def test_logs(web: Cluster, namespace: str, kubectl: str) -> None:
    web.apply(script("counter", "for i in 1 2 3; do echo line $i; sleep 0.3; done; echo end >&2"))
    followed = until(lambda: follow(web, kubectl), "logs -f gives all lines and ends")
    assert followed == ["line 1", "line 2", "line 3", "end"]
    assert web.kubectl("logs", "counter", "--tail=1", program=kubectl).stdout == "end\n"
    assert "T" in web.kubectl("logs", "counter", "--timestamps", program=kubectl).stdout.split()[0]
    missing = web.kubectl("logs", "counter", "-c", "nope", program=kubectl, check=False)
    assert missing.returncode and "container nope is not valid for pod counter" in missing.stderr


def follow(cluster: Cluster, kubectl: str) -> list[str] | None:
    done = cluster.kubectl("logs", "-f", "counter", program=kubectl, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else None


def test_rollout_and_undo(web: Cluster, kubectl: str) -> None:
    web.kubectl("set", "image", "deployment/web", "web=sampan.dev/sample:2", program=kubectl)
    assert "successfully rolled out" in web.kubectl("rollout", "status", "deployment/web", program=kubectl).stdout
    history = web.kubectl("rollout", "history", "deployment/web", program=kubectl).stdout
    assert [line.split()[0] for line in history.splitlines()[2:4]] == ["1", "2"]
    web.kubectl("rollout", "undo", "deployment/web", program=kubectl)
    web.kubectl("rollout", "status", "deployment/web", program=kubectl)
    image = web.get("deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "sampan.dev/sample:1"
    assert {p["spec"]["containers"][0]["image"] for p in web.ready_pods("app=web", 2)} == {image}


def test_pause_and_resume(web: Cluster, kubectl: str) -> None:
    web.kubectl("rollout", "pause", "deployment/web", program=kubectl)
    web.kubectl("set", "image", "deployment/web", "web=sampan.dev/sample:2", program=kubectl)
    generation = web.get("deployment", "web")["metadata"]["generation"]
    until(
        lambda: web.get("deployment", "web")["status"]["observedGeneration"] == generation, "the controller has seen it"
    )
    assert len(web.get("replicasets", "-l", "app=web")["items"]) == 1
    web.kubectl("rollout", "resume", "deployment/web", program=kubectl)
    web.kubectl("rollout", "status", "deployment/web", program=kubectl)
    assert len(web.get("replicasets", "-l", "app=web")["items"]) == 2


def test_scale_label_annotate_patch_edit_wait(web: Cluster, kubectl: str) -> None:
    web.kubectl("scale", "deployment", "web", "--replicas=1", program=kubectl)
    web.ready_pods("app=web", 1)
    web.kubectl("label", "deployment", "web", "tier=front", program=kubectl)
    web.kubectl("annotate", "deployment", "web", "note=read me", program=kubectl)
    web.kubectl("patch", "deployment", "web", "-p", '{"spec":{"minReadySeconds":1}}', program=kubectl)
    merge = json.dumps({"metadata": {"labels": {"tier": None}}})
    web.kubectl("patch", "deployment", "web", "--type=merge", "-p", merge, program=kubectl)
    operation = json.dumps([{"op": "replace", "path": "/spec/revisionHistoryLimit", "value": 3}])
    web.kubectl("patch", "deployment", "web", "--type=json", "-p", operation, program=kubectl)
    web.kubectl("edit", "deployment", "web", program=kubectl, EDITOR="sed -i /minReadySeconds/d")
    found = web.get("deployment", "web")
    assert "tier" not in found["metadata"]["labels"] and found["metadata"]["annotations"]["note"] == "read me"
    assert found["spec"]["revisionHistoryLimit"] == 3 and not found["spec"].get("minReadySeconds")
    web.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s", program=kubectl)


def test_apply_changes_only_what_the_manifest_changed(web: Cluster, kubectl: str) -> None:
    web.kubectl("scale", "deployment", "web", "--replicas=1", program=kubectl)
    manifest = deployment("web", replicas=2)
    del manifest["spec"]["replicas"]
    manifest["metadata"]["labels"]["new"] = "yes"
    out = web.kubectl("apply", "-f", "-", program=kubectl, stdin=yaml.safe_dump(manifest)).stdout
    assert "deployment.apps/web configured" in out
    out = web.kubectl("apply", "-f", "-", program=kubectl, stdin=yaml.safe_dump(manifest)).stdout
    assert "deployment.apps/web unchanged" in out
    assert web.get("deployment", "web")["metadata"]["labels"]["new"] == "yes"


def test_diff_and_replace(web: Cluster, kubectl: str) -> None:
    manifest = deployment("web", replicas=2, image="sampan.dev/sample:2")
    difference = web.kubectl("diff", "-f", "-", program=kubectl, stdin=yaml.safe_dump(manifest), check=False)
    assert difference.returncode == 1, difference.stderr
    assert "+        image: sampan.dev/sample:2" in difference.stdout.replace("+      - image", "+        image")
    web.kubectl("replace", "-f", "-", program=kubectl, stdin=yaml.safe_dump(manifest))
    web.kubectl("rollout", "status", "deployment/web", program=kubectl)


def test_delete_waits_until_the_pods_are_gone(web: Cluster, kubectl: str) -> None:
    web.kubectl(
        "delete",
        "deployment",
        "web",
        "--cascade=foreground" if "debian" not in kubectl else "--cascade=true",
        program=kubectl,
    )
    until(lambda: not web.get("pods", "-l", "app=web")["items"], "the pods are gone")
    assert "not found" in web.kubectl("get", "deployment", "web", check=False, program=kubectl).stderr


def test_a_namespace_goes_with_all_that_is_in_it(cluster: Cluster, namespace: str, kubectl: str) -> None:
    cluster.apply(deployment("web", replicas=1), service("web"))
    cluster.ready_pods("app=web", 1)
    cluster.kubectl("delete", "namespace", namespace, "--timeout=60s", program=kubectl)
    assert "NotFound" in cluster.kubectl("get", "namespace", namespace, check=False, program=kubectl).stderr


def test_sampan_kubectl_needs_no_configuration(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPAN_DATA_DIR", str(cluster.data_dir))
    from .harness import SAMPAN

    assert "Ready" in run([*SAMPAN, "kubectl", "get", "nodes"]).stdout
    assert subprocess.run([*SAMPAN, "kubectl", "get", "nope"], capture_output=True, check=False).returncode == 1
