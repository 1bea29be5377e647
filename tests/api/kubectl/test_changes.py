"""Changing objects with kubectl: create, apply both ways, diff, edit, replace and patch in all types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

LAST = "kubectl.kubernetes.io/last-applied-configuration"


def deployment(image: str = "nginx:1", replicas: int | None = 2, **labels: str) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": 80}]}]},
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": "web", "labels": labels} if labels else {"name": "web"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def image_of(obj: Any) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])


def test_apply_by_the_client(kubectl: Any) -> None:
    """Three-way: what the last configuration said and this one does not is taken away, what others set remains."""
    first = deployment(tier="front", kept="k")
    assert kubectl("apply", "-f", "-", stdin=first) == "deployment.apps/web created\n"
    assert kubectl("apply", "-f", "-", stdin=first) == "deployment.apps/web unchanged\n"
    kubectl("label", "deployment", "web", "other=mine")
    kubectl("scale", "deployment", "web", "--replicas=5")
    changed = deployment(image="nginx:2", replicas=None, kept="k")
    assert kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\n"
    found = kubectl.get("deployment", "web")
    assert found["metadata"]["labels"] == {"other": "mine", "kept": "k"}
    assert LAST in found["metadata"]["annotations"]
    assert image_of(found) == "nginx:2"
    assert found["spec"]["replicas"] == 1


def test_apply_by_the_server(kubectl: Any) -> None:
    server_side = ("apply", "--server-side", "-f", "-")
    assert kubectl(*server_side, stdin=deployment(tier="front")) == "deployment.apps/web serverside-applied\n"
    kubectl("scale", "deployment", "web", "--replicas=5")
    refused = kubectl.run(*server_side, stdin=deployment(), check=False)
    assert refused.returncode != 0
    assert 'Apply failed with 1 conflict: conflict with "kubectl"' in refused.stderr
    assert ".spec.replicas" in refused.stderr
    kubectl(*server_side, "--force-conflicts", stdin=deployment(image="nginx:2"))
    found = kubectl.get("deployment", "web")
    assert (found["spec"]["replicas"], image_of(found)) == (2, "nginx:2")
    assert "labels" not in found["metadata"]
    kubectl(*server_side, "--field-manager=other", stdin=deployment(image="nginx:2", tier="back"))
    assert kubectl.get("deployment", "web")["metadata"]["labels"] == {"tier": "back"}


def test_apply_dry_runs(kubectl: Any) -> None:
    assert "(server dry run)" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=deployment())
    assert "(dry run)" in kubectl("apply", "--dry-run=client", "-f", "-", stdin=deployment())
    assert kubectl.run("get", "deployment", "web", check=False).returncode != 0


def test_apply_many_and_prune(kubectl: Any) -> None:
    def maps(*names: str) -> str:
        return yaml.safe_dump_all(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"set": "s"}}}
            for name in names
        )

    kubectl("apply", "-f", "-", stdin=maps("a", "b", "c"))
    kinds = ("--prune-whitelist=core/v1/ConfigMap",) if "debian" in kubectl.program else ()
    told = kubectl("apply", "--prune", "-l", "set=s", *kinds, "-f", "-", stdin=maps("a", "c"))
    assert "configmap/b pruned" in told
    assert kubectl("get", "configmaps", "-l", "set=s", "-o", "name") == "configmap/a\nconfigmap/c\n"


@pytest.mark.parametrize("side", [(), ("--server-side",)])
def test_diff(kubectl: Any, side: tuple[str, ...]) -> None:
    """1 and the lines when something would change, 0 when not, and nothing is changed by it."""
    kubectl("apply", *side, "-f", "-", stdin=deployment())
    before = kubectl.get("deployment", "web")["metadata"]["resourceVersion"]
    same = kubectl.run("diff", *side, "-f", "-", stdin=deployment(), check=False)
    assert (same.returncode, same.stdout) == (0, ""), same.stderr
    other = kubectl.run("diff", *side, "-f", "-", stdin=deployment(image="nginx:2"), check=False)
    assert other.returncode == 1, other.stderr
    changed = [line[0] + line[1:].strip() for line in other.stdout.splitlines() if "image:" in line]
    assert changed == ["-- image: nginx:1", "+- image: nginx:2"]
    assert kubectl.get("deployment", "web")["metadata"]["resourceVersion"] == before


def test_edit(kubectl: Any, editor: Any, tmp_path: Path) -> None:
    kubectl("create", "-f", "-", stdin=deployment())
    assert kubectl("edit", "deployment", "web", **editor("nginx:1", "nginx:2")) == "deployment.apps/web edited\n"
    assert yaml.safe_load((tmp_path / "seen").read_text())["kind"] == "Deployment"
    assert image_of(kubectl.get("deployment", "web")) == "nginx:2"
    unchanged = kubectl.run("edit", "deployment", "web", **editor("nowhere", "x"))
    assert "no changes made" in unchanged.stdout + unchanged.stderr


def test_edit_that_is_refused_keeps_what_was_written(kubectl: Any, editor: Any, tmp_path: Path) -> None:
    """The refusal is shown in the file, which is kept, and the object is as it was."""
    kubectl("create", "-f", "-", stdin=deployment())
    refused = kubectl.run("edit", "deployment", "web", check=False, **editor("app: web", "app: other"))
    assert refused.returncode != 0
    assert "is invalid" in refused.stderr
    assert "field is immutable" in (tmp_path / "seen").read_text()
    assert "has been stored" in refused.stderr
    assert kubectl.get("deployment", "web")["spec"]["selector"]["matchLabels"] == {"app": "web"}


def test_replace(kubectl: Any) -> None:
    kubectl("create", "-f", "-", stdin=deployment(tier="front"))
    found = kubectl.get("deployment", "web")
    assert kubectl("replace", "-f", "-", stdin=deployment(image="nginx:2")) == "deployment.apps/web replaced\n"
    replaced = kubectl.get("deployment", "web")
    assert "labels" not in replaced["metadata"]
    assert replaced["metadata"]["uid"] == found["metadata"]["uid"]
    stale = kubectl.run("replace", "-f", "-", stdin=found, check=False)
    assert stale.returncode != 0
    assert "the object has been modified" in stale.stderr
    assert "replaced" in kubectl("replace", "--force", "-f", "-", stdin=deployment())
    assert kubectl.get("deployment", "web")["metadata"]["uid"] != found["metadata"]["uid"]


CONTAINER = '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"nginx:2"}]}}}}'
PATCHES: list[tuple[str, str, bool]] = [
    # A list is merged by the strategic one and replaced by the plain one, which so loses the container's ports.
    ("strategic", CONTAINER, True),
    ("merge", CONTAINER, False),
    ("json", '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:2"}]', True),
]


@pytest.mark.parametrize(("kind", "patch", "ports"), PATCHES)
def test_patch(kubectl: Any, kind: str, patch: str, ports: bool) -> None:
    kubectl("create", "-f", "-", stdin=deployment())
    assert kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch) == "deployment.apps/web patched\n"
    found = kubectl.get("deployment", "web")
    assert image_of(found) == "nginx:2"
    assert ("ports" in found["spec"]["template"]["spec"]["containers"][0]) is ports
    again = kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch)
    assert again == "deployment.apps/web patched (no change)\n"


def test_patch_that_is_refused(kubectl: Any) -> None:
    kubectl("create", "-f", "-", stdin=deployment())
    for kind, patch, told in (
        ("json", '[{"op":"test","path":"/spec/replicas","value":9}]', "re(jected our request|quest is invalid)"),
        ("merge", '{"spec":{"replicas":-1}}', "must be greater than or equal to 0"),
        ("strategic", '{"spec":{"$patch":"explode"}}', "unknown patch type"),
    ):
        refused = kubectl.run("patch", "deployment", "web", f"--type={kind}", "-p", patch, check=False)
        assert refused.returncode != 0
        assert re.search(told, refused.stderr), refused.stderr
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 2


def test_patch_of_a_subresource(kubectl: Any) -> None:
    if "debian" in kubectl.program:
        pytest.skip("kubectl knows --subresource since 1.24")
    kubectl("create", "-f", "-", stdin=deployment())
    kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":7}}')
    kubectl("patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":4}}')
    found = kubectl.get("deployment", "web")
    assert (found["status"]["replicas"], found["spec"]["replicas"]) == (7, 4)
