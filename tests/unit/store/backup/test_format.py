"""The backup file: what was written comes back, and a file that is not whole is refused with what to do."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.store.backup.format import CHUNK_BYTES, BackupError, Header, Reader, Record, Writer

HEADER = Header(7, "2026-01-01T00:00:00Z", "sampan 0", "test")
records = st.lists(
    st.builds(Record, st.text(max_size=20), st.binary(max_size=200), st.integers(1), st.integers(1), st.integers(1))
).map(lambda found: [msg for msg in found if max(msg.create_revision, msg.mod_revision, msg.version) < 1 << 63])


def written(path: Path, *found: Record) -> Path:
    with Writer(path, HEADER) as writer:
        writer.add(found)
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    rng = random.Random(3)
    return written(tmp_path / "b", *(Record(f"/{n}", rng.randbytes(300), n, n, 1, n % 2 == 0) for n in range(1, 50)))


@settings(max_examples=50, deadline=None)
@given(found=records)
def test_what_was_written_comes_back(found: list[Record], tmp_path_factory: pytest.TempPathFactory) -> None:
    reader = Reader(written(tmp_path_factory.mktemp("b") / "b", *found))
    reader.check()
    assert reader.header == HEADER
    assert (list(reader.records()), reader.count) == (found, len(found))


def test_large_contents_take_several_chunks(tmp_path: Path) -> None:
    found = [Record(f"/{n}", bytes([n]) * (CHUNK_BYTES // 3), 1, 1, 1) for n in range(10)]
    assert list(Reader(written(tmp_path / "b", *found)).records()) == found


def test_the_file_is_its_owners_alone(backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_truncated_file_is_refused_wherever_it_ends(backup: Path) -> None:
    whole = backup.read_bytes()
    for size in range(len(b"SAMPAN-BACKUP 1\n"), len(whole), 97):
        backup.write_bytes(whole[:size])
        with pytest.raises(BackupError, match=r"truncated.*copy it anew"):
            Reader(backup).check()


def test_a_changed_byte_is_found_wherever_it_is(backup: Path) -> None:
    whole, rng = backup.read_bytes(), random.Random(4)
    for place in rng.sample(range(len(whole)), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        backup.write_bytes(damaged)
        with pytest.raises(BackupError):
            Reader(backup).check()


def test_something_at_the_end_is_found(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes() + b"x")
    with pytest.raises(BackupError, match="damaged"):
        Reader(backup).check()


def test_a_newer_format_is_refused(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes().replace(b"BACKUP 1", b"BACKUP 2", 1))
    with pytest.raises(BackupError, match=r"newer Sampan .*restore it with that version"):
        Reader(backup)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"\n" * 100])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BackupError, match="name a file that `sampan backup` wrote"):
        Reader(tmp_path / "b")


def test_a_failure_leaves_nothing_and_keeps_what_was_there(backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(RuntimeError), Writer(backup, HEADER):
        raise RuntimeError
    assert backup.read_bytes() == before
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]
