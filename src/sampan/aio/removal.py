"""Deleting a folder with all below it, whatever a hostile program has put there, and nothing beside it.

- Never through a mount: each folder is opened by a call that refuses to enter another mount (openat2, RESOLVE_NO_XDEV),
  so that a volume which could not be unmounted, or was mounted a moment ago, loses no file.
- Never through a link: links are deleted, not followed, also when one takes the place of a folder meanwhile.
- However deep: a folder that is not empty is moved up to the top before it is looked into, so two descriptors and no
  recursion are enough for a tree of any depth, and names never become too long.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from sampan.aio.mounts import RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, open_beneath

FOLDER = os.O_RDONLY | os.O_DIRECTORY
TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)


def remove_tree(path: Path) -> None:
    """Deletes the folder `path`; fine when it is not there. Raises OSError (EBUSY, EXDEV at a mount)."""
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove(parent, path.name)
    finally:
        os.close(parent)


def _remove(parent: int, name: str) -> None:
    try:
        top = enter(parent, name)
    except FileNotFoundError:
        return
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(top: int) -> None:
    numbers = itertools.count()
    while names := os.listdir(top):
        for name in names:
            if not _unlink(top, name):
                _take_apart(top, name, numbers)


def _take_apart(top: int, name: str, numbers: Iterator[int]) -> None:
    """Deletes a folder directly under `top`; folders in it that hold something are moved up beside it."""
    try:
        folder = enter(top, name)
    except FileNotFoundError:
        return
    try:
        for inner in os.listdir(folder):  # noqa: PTH208
            if not _unlink(folder, inner):
                _move_up(folder, inner, top, numbers)
    finally:
        os.close(folder)
    try:
        os.rmdir(name, dir_fd=top)
    except OSError as error:
        # Something new came meanwhile: the next round finds it.
        if error.errno not in TAKEN:
            raise


def _unlink(folder: int, name: str) -> bool:
    """Deletes a file or an empty folder; False for a folder that is not empty."""
    try:
        os.unlink(name, dir_fd=folder)
        return True
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        refused = error
    try:
        os.rmdir(name, dir_fd=folder)
        return True
    except NotADirectoryError:
        raise refused from None
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        return False


def _move_up(folder: int, name: str, top: int, numbers: Iterator[int]) -> None:
    for number in numbers:
        try:
            os.rename(name, f"..gone-{number}", src_dir_fd=folder, dst_dir_fd=top)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in TAKEN:
                raise


def enter(parent: int, name: str) -> int:
    return open_beneath(parent, name, FOLDER, RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS)
