"""kubeconfig files, good and broken."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sampan.client import kubeconfig
from sampan.client.errors import BadConfig


def test_what_is_rendered_loads(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig.render(server="https://h:6443", ca=b"CA", cert=b"CERT", key=b"KEY"))
    config = kubeconfig.load(path)
    assert (config.server, config.ca, config.cert, config.key) == ("https://h:6443", b"CA", b"CERT", b"KEY")
    assert "KEY" not in repr(config)


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"CA")
    (tmp_path / "token").write_text("secret\n")
    path = tmp_path / "config"
    path.write_text(
        """
clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ca.pem}}]
users: [{name: u, user: {tokenFile: token}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: n}}]
current-context: x
"""
    )
    config = kubeconfig.load(path)
    assert (config.ca, config.token, config.namespace) == (b"CA", "secret", "n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "no Config document"),
        ("kind: Config", "no current-context"),
        ("current-context: x", "contexts has no 'x'"),
        (
            "{current-context: x, contexts: [{name: x, context: {cluster: c}}], clusters: [{name: c, cluster: {}}]}",
            "has no server",
        ),
        (
            "{current-context: x, contexts: [{name: x, context: {cluster: c}}],"
            " clusters: [{name: c, cluster: {server: 's', certificate-authority-data: '!'}}]}",
            "not base64",
        ),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(BadConfig, match=says):
        kubeconfig.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="nowhere: No such file"):
        kubeconfig.load(tmp_path / "nowhere")


MADE = {"server": "https://a:1", "ca": b"ca", "cert": b"old", "key": b"key"}


def test_what_a_user_has_chosen_survives_new_certificates() -> None:
    """`kubectl config set-context --current --namespace=...`, and clusters of elsewhere."""
    used = yaml.safe_load(kubeconfig.render(**MADE))
    used["contexts"][0]["context"]["namespace"] = "mine"
    used["contexts"].append({"name": "other", "context": {"cluster": "far", "user": "me"}})
    used["clusters"].append({"name": "far", "cluster": {"server": "https://far"}})
    used["current-context"] = "other"
    text = yaml.safe_dump(used)
    assert kubeconfig.renewed(text, kubeconfig.render(**MADE)) == text, "the same entries: not even the form changes"
    result = yaml.safe_load(kubeconfig.renewed(text, kubeconfig.render(**MADE | {"cert": b"new"})))
    assert result["users"][0] == yaml.safe_load(kubeconfig.render(**MADE | {"cert": b"new"}))["users"][0]
    assert {name: result[name] for name in ("contexts", "clusters", "current-context")} == {
        name: used[name] for name in ("contexts", "clusters", "current-context")
    }


@pytest.mark.parametrize("kept", ["", "[", "- a", "clusters: 3", "kind: Config"])
def test_a_kubeconfig_that_is_none_is_made_anew(kept: str) -> None:
    made = kubeconfig.render(**MADE)
    assert kubeconfig.renewed(kept, made) == made
