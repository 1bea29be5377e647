"""Replacing the key of accounts' tokens: what is on disk after each step, and after one that was cut short."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.keys import Keys
from sampan.cluster import tokenkeys
from sampan.cluster.errors import ClusterError


def test_a_first_step_cut_short_is_taken_again(tmp_path: Path) -> None:
    tokenkeys.ensure(tmp_path)
    before = (tmp_path / "sa.pub").read_bytes()
    tokenkeys.believe(tmp_path)
    (tmp_path / "sa.pub").write_bytes(before)
    assert tokenkeys.stage(tmp_path) == tokenkeys.STEADY
    assert [tokenkeys.advance(tmp_path)[0][:6] for _ in range(3)] == ["1 of 3", "2 of 3", "3 of 3"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert {path.name for path in tmp_path.iterdir()} == {"sa.key", "sa.pub"}


def test_a_public_half_that_is_missing_is_made(tmp_path: Path) -> None:
    tokenkeys.ensure(tmp_path)
    before = (tmp_path / "sa.pub").read_bytes()
    (tmp_path / "sa.pub").unlink()
    tokenkeys.ensure(tmp_path)
    assert (tmp_path / "sa.pub").read_bytes() == before


def test_without_a_key_it_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"there is no sa\.key"):
        tokenkeys.advance(tmp_path)
    tokenkeys.ensure(tmp_path)
    (tmp_path / "sa.key").write_text("nothing")
    with pytest.raises(ClusterError, match="cannot be read as a private key"):
        tokenkeys.advance(tmp_path)


def test_files_that_will_not_do_leave_the_last_good_keys(tmp_path: Path) -> None:
    signing, time = tokenkeys.ensure(tmp_path), [100.0]
    keys = Keys(signing, now=lambda: time[0])
    token, good = keys.sign({"a": 1}), signing.read_bytes()
    for broken in (b"nothing", None):
        signing.write_bytes(broken) if broken is not None else signing.unlink()
        time[0] += 2
        assert (keys.generation(time[0]), keys.verify(token)) == (0, {"a": 1})
    signing.write_bytes(good)
    tokenkeys.advance(tmp_path)
    tokenkeys.advance(tmp_path)
    tokenkeys.advance(tmp_path)
    assert keys.verify(token) == {"a": 1}  # looked at a moment ago
    time[0] += 2
    assert keys.generation(time[0]) == 1
    with pytest.raises(Rejected):
        keys.verify(token)
