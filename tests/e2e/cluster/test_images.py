"""Images from a real registry, and what is shown when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Cluster, registry, run, until
from .manifests import script


@pytest.fixture(scope="module")
def loopback_registry(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[str]:
    """A registry that holds the sample under another name, which the node does not have yet."""
    folder: Path = tmp_path_factory.mktemp("registry")
    with registry(folder) as address:
        ctr = ["ctr", "--address", str(cluster.data_dir / "containerd/containerd.sock"), "--namespace", "k8s.io"]
        reference = f"{address}/shop/sample:7"
        run([*ctr, "images", "tag", "--force", "sampan.dev/sample:1", reference])
        run([*ctr, "images", "push", "--plain-http", reference])
        run([*ctr, "images", "remove", "--sync", reference])
        yield address


def test_an_image_is_pulled_from_a_registry(cluster: Cluster, namespace: str, loopback_registry: str) -> None:
    pod = script("puller", "echo pulled", container={"image": f"{loopback_registry}/shop/sample:7"})
    cluster.apply(pod)
    until(lambda: cluster.get("pod", "puller")["status"]["phase"] == "Succeeded", "the pod has run")
    assert cluster.kubectl("logs", "puller").stdout == "pulled\n"
    assert "Successfully pulled image" in cluster.kubectl("describe", "pod", "puller").stdout


def test_a_missing_image_is_told_in_the_registrys_words(
    cluster: Cluster, namespace: str, loopback_registry: str
) -> None:
    cluster.apply(script("misser", "true", container={"image": f"{loopback_registry}/shop/none:1"}))
    until(lambda: waiting_reason(cluster) == "ErrImagePull", "ErrImagePull")
    until(lambda: waiting_reason(cluster) == "ImagePullBackOff", "ImagePullBackOff")
    described = cluster.kubectl("describe", "pod", "misser").stdout
    assert "not found" in described and f"{loopback_registry}/shop/none:1" in described


def waiting_reason(cluster: Cluster) -> str:
    statuses = cluster.get("pod", "misser")["status"].get("containerStatuses") or [{}]
    return str(statuses[0].get("state", {}).get("waiting", {}).get("reason", ""))


def test_never_pull_and_no_image(cluster: Cluster, namespace: str) -> None:
    image = {"image": "sampan.dev/none:1", "imagePullPolicy": "Never"}
    cluster.apply(script("misser", "true", container=image))
    until(lambda: waiting_reason(cluster) == "ErrImageNeverPull", "ErrImageNeverPull")
