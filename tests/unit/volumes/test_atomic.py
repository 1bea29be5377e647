"""A set of files changes in one step."""

from __future__ import annotations

from pathlib import Path

from sampan.volumes.atomic import Projected, write


def files(**texts: str) -> dict[str, Projected]:
    return {name.replace("_", "/"): Projected(text.encode()) for name, text in texts.items()}


def test_names_are_links_through_one_link(tmp_path: Path) -> None:
    assert write(tmp_path, files(a="1", d_b="2"))
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "d").readlink() == Path("..data/d")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "d" / "b").read_text() == "2"
    assert (tmp_path / "..data").readlink().name.startswith("..")


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    before = (tmp_path / "..data").readlink()
    assert not write(tmp_path, files(a="1"))
    assert (tmp_path / "..data").readlink() == before


def test_a_change_replaces_the_folder_and_removes_the_old(tmp_path: Path) -> None:
    write(tmp_path, files(a="1", b="2"))
    before = (tmp_path / "..data").readlink()
    assert write(tmp_path, files(b="3", c="4"))
    assert {entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")} == {"b", "c"}
    assert (tmp_path / "b").read_text() == "3"
    assert not (tmp_path / before).exists()
    assert len(list(tmp_path.glob("..*"))) == 2


def test_a_reader_that_opened_the_folder_sees_the_old_set_whole(tmp_path: Path) -> None:
    write(tmp_path, files(a="1", b="1"))
    with (tmp_path / "a").open() as opened:
        write(tmp_path, files(a="2", b="2"))
        assert opened.read() == "1"


def test_a_new_mode_is_a_change(tmp_path: Path) -> None:
    write(tmp_path, {"a": Projected(b"1", 0o644)})
    assert write(tmp_path, {"a": Projected(b"1", 0o400)})
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400


def test_no_files_at_all(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    assert write(tmp_path, {})
    assert [entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")] == []


def test_what_a_crash_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "..data_tmp").symlink_to("..nowhere")
    write(tmp_path, files(a="1"))
    assert (tmp_path / "a").read_text() == "1"
