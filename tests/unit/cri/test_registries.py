"""Mirrors of registries, from the option to containerd's files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sampan.cri import registries


def test_what_the_option_says() -> None:
    text = "docker.io=http://10.0.0.5:5000, docker.io=https://mirror.example/hub,r.local:5000=http://r.local:5000,*=http://[::1]:5000"
    assert registries.parse(text) == {
        "docker.io": ["http://10.0.0.5:5000", "https://mirror.example/hub"],
        "r.local:5000": ["http://r.local:5000"],
        "*": ["http://[::1]:5000"],
    }
    assert registries.parse("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "docker.io",
        "=http://x",
        "../x=http://x",
        "a/b=http://x",
        "x=ftp://x",
        'x=http://x"]',
        "x=http://x y",
        "x=x:5000",
    ],
)
def test_what_it_must_not_say(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        registries.parse(text)


def test_files_follow_the_option_and_others_stay(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.example" / "hosts.toml"
    theirs.parent.mkdir()
    theirs.write_text("# by hand")
    registries.write(tmp_path, {"docker.io": ["http://a:1", "http://b:1"], "*": ["http://c:1"]})
    written = tomllib.loads((tmp_path / "docker.io/hosts.toml").read_text())
    assert list(written["host"]) == ["http://a:1", "http://b:1"]
    assert written["host"]["http://a:1"]["capabilities"] == ["pull", "resolve"]
    assert (tmp_path / "_default/hosts.toml").exists()
    registries.write(tmp_path, {"theirs.example": ["http://d:1"]})
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/hosts.toml")] == ["theirs.example/hosts.toml"]
    assert theirs.read_text() == "# by hand"
