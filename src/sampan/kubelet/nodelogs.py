"""`/logs/`: the machine's log folder, to look through and to read, as upstream's kubelet shows /var/log.

Pods may have parts of that folder for their own (as a hostPath): a link that leads out of it is not followed, however
it changes while we look (upstream follows it), and what is no file or folder is not opened.
"""

from __future__ import annotations

import asyncio
import os
import stat
from html import escape
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from aiohttp import web

from sampan.aio.mounts import RESOLVE_NO_SYMLINKS, open_beneath
from sampan.kubelet.podfiles import FLAGS

CHUNK = 64 * 1024
LISTING = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n{}</pre>\n'


class NodeLogs:
    """`enabled`: enableSystemLogHandler."""

    def __init__(self, folder: Path, *, enabled: bool) -> None:
        self._folder = folder
        routes: list[tuple[str, str, Any]] = [("GET", "/logs", begin), ("GET", "/logs/{path:.*}", self._answer)]
        self.routes = routes if enabled else []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        try:
            descriptor = await asyncio.to_thread(opened, self._folder, path)
        except (OSError, ValueError):
            return web.Response(status=404, text="404 page not found\n")
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode) and path and not path.endswith("/"):
            os.close(descriptor)
            return to_folder(request)
        if stat.S_ISDIR(mode):
            return web.Response(text=listing(descriptor), content_type="text/html", charset="utf-8")
        with os.fdopen(descriptor, "rb") as file:
            return await send(request, file)


async def begin(request: web.Request) -> web.Response:
    return to_folder(request)


def to_folder(request: web.Request) -> web.Response:
    """A folder's path ends in a slash, so that the links in its listing lead into it."""
    return web.Response(status=301, headers={"Location": f"{request.rel_url.raw_path.rpartition('/')[2]}/"})


def opened(folder: Path, path: str) -> int:
    """A file or folder below `folder`, links followed as far as they stay there. Raises OSError, ValueError."""
    there = Path(os.path.realpath(folder))
    real = Path(os.path.realpath(there / path.strip("/")))
    if not real.is_relative_to(there):
        raise PermissionError(f"{path} leads out of {folder}")
    root = os.open(there, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # What a link became since we asked where it leads is refused.
        descriptor = open_beneath(root, str(real.relative_to(there)), FLAGS, RESOLVE_NO_SYMLINKS)
    finally:
        os.close(root)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return descriptor
    os.close(descriptor)
    raise PermissionError(f"{path} is neither a file nor a folder")


def listing(descriptor: int) -> str:
    """Of an open folder, which is closed; names by the alphabet, folders with a slash."""
    try:
        with os.scandir(descriptor) as entries:
            names = sorted(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries)
    finally:
        os.close(descriptor)
    shown = (name.encode(errors="surrogateescape") for name in names)
    lines = (f'<a href="{quote(name)}">{escape(name.decode(errors="replace"))}</a>\n' for name in shown)
    return LISTING.format("".join(lines))


async def send(request: web.Request, file: BinaryIO) -> web.StreamResponse:
    """As much as there is now; a part where one is asked for."""
    size = os.fstat(file.fileno()).st_size
    asked = request.http_range
    begin, end, _ = slice(asked.start, asked.stop).indices(size)
    part = request.headers.get("Range") is not None
    if part and begin >= end:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = web.StreamResponse(status=206 if part else 200, headers={"Content-Type": "text/plain; charset=utf-8"})
    if part:
        response.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    response.content_length = end - begin
    await response.prepare(request)
    file.seek(begin)
    while begin < end and (piece := await asyncio.to_thread(file.read, min(CHUNK, end - begin))):
        begin += len(piece)
        await response.write(piece)
    await response.write_eof()
    return response
