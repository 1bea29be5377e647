"""Deleting trees that were made to be hard to delete."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sampan.aio.removal import remove_tree


def test_all_sorts_of_things_go_and_nothing_beside_them(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "a" / "b" / "c").mkdir(parents=True)
    (tree / "a" / "b" / "..gone-0").mkdir()
    (tree / "..gone-0").write_text("taken")
    (tree / "..gone-1" / "x").mkdir(parents=True)
    (tree / "a" / "line\nend \udcff").write_text("x")
    (tree / "to-file").symlink_to(outside / "file")
    (tree / "to-folder").symlink_to(outside)
    (tree / "a" / "b" / "up").symlink_to("../../..")
    os.mkfifo(tree / "a" / "pipe")
    os.link(outside / "file", tree / "hard")
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "file").read_text() == "kept"
    assert (outside / "folder").is_dir()


def test_a_tree_deeper_than_any_path(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    at = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=at)
        below = os.open("deeper", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    remove_tree(tree)
    assert not tree.exists()


def test_one_that_is_not_there(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
    remove_tree(tmp_path / "none" / "deeper")


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "kept").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError) as failure:
        remove_tree(tmp_path / "link")
    assert failure.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert (tmp_path / "real" / "kept").is_dir()
