"""Static pods named on the command line, as upstream's kubelet takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sampan.cli import kubelet
from sampan.cluster.errors import ClusterError
from sampan.cluster.node import kubelet_config
from sampan.cluster.options import Options


def options(tmp_path: Path, **given: object) -> Options:
    return Options(data_dir=str(tmp_path), node_name="n", node_ip="192.0.2.2", **given)  # type: ignore[arg-type]


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.yaml"
    file.write_text(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
        "staticPodPath: /etc/pods\nstaticPodURL: http://192.0.2.1/old\n"
    )
    config = kubelet_config(
        options(
            tmp_path,
            kubelet_config=str(file),
            manifest_url="http://192.0.2.1/new",
            manifest_url_header=("X-Key: a,X-Other:b", "X-Key:c:d"),
        )
    )
    assert config.static_pod_path == Path("/etc/pods")
    assert config.static_pod_url == "http://192.0.2.1/new"
    assert config.static_pod_url_headers == (("X-Key", "a"), ("X-Key", "c:d"), ("X-Other", "b"))
    assert kubelet_config(options(tmp_path, pod_manifest_path="/pods")).static_pod_path == Path("/pods")


@pytest.mark.parametrize(("header", "problem"), [("X-Key", "NAME:VALUE"), ("X Key:a", "staticPodURLHeader must have")])
def test_what_is_no_header(tmp_path: Path, header: str, problem: str) -> None:
    with pytest.raises(ClusterError, match=problem):
        kubelet_config(options(tmp_path, manifest_url_header=(header,)))


def test_the_command_takes_them() -> None:
    shown = CliRunner().invoke(kubelet.command, ["--help"]).output
    assert all(
        flag in shown for flag in ("--pod-manifest-path", "--manifest-url ", "--manifest-url-header", "--config")
    )
