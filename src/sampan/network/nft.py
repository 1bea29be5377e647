"""nftables told: transactions in nft's language, by its library or its program.

`libnftables` in this process applies a small change in a tenth of a millisecond. The program takes ten, nearly all of
it in the kernel when it exits: closing its netlink socket waits until everything deleted is freed. Large texts go to
the program all the same, for they take a second and the library would hold up the event loop and keep the memory.
Source: libnftables(3), nft(8).
"""

from __future__ import annotations

import ctypes
import json
import logging
from typing import Any

from sampan.network.command import Missing, run
from sampan.network.errors import RefusedByKernel, Unusable

log = logging.getLogger(__name__)

LIBRARY = "libnftables.so.1"
SMALL = 64 * 1024
"""Longest text, in bytes, for the library: a few milliseconds."""
COMMANDS_PER_CONTEXT = 10_000
"""A context is made anew after so many, lest it should grow."""


async def apply(text: str) -> None:
    """One atomic transaction by the program. Raises RefusedByKernel with nft's words, or Unusable."""
    result = await _nft("-f", "-", text=text)
    if result.code:
        raise _failure(result.errors, result.complaint)


async def listing(*what: str) -> list[dict[str, Any]]:
    """`nft -j list ...`, [] when there is no such thing. Costs time with the number of elements of all tables."""
    result = await _nft("-j", "list", *what)
    return json.loads(result.output)["nftables"] if result.code == 0 and result.output else []


class Session:
    """Transactions one after the other, in the network namespace that the first one was made in."""

    def __init__(self) -> None:
        self._library = _load()
        self._context: int | None = None
        self._commands = 0

    async def apply(self, text: str) -> None:
        """As `nft.apply`; a small text blocks for about a tenth of a millisecond a line, and comes back at once."""
        if self._library is None or len(text) > SMALL:
            await apply(text)
            return
        if self._context is None or self._commands >= COMMANDS_PER_CONTEXT:
            self._renew()
        self._commands += 1
        if self._library.nft_run_cmd_from_buffer(self._context, text.encode()):
            errors = self._library.nft_ctx_get_error_buffer(self._context).decode(errors="replace")
            raise _failure(errors, " | ".join(line[:300] for line in errors.strip().splitlines()[:3]))

    def close(self) -> None:
        """Gives the context back; the next `apply` makes another."""
        if self._library is not None and self._context is not None:
            self._library.nft_ctx_free(self._context)
        self._context = None

    def _renew(self) -> None:
        self.close()
        assert self._library is not None
        self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise Unusable("libnftables does not start: run as root (CAP_NET_ADMIN)")
        self._library.nft_ctx_buffer_error(self._context)
        self._commands = 0


def _load() -> Any:
    """The library with its functions declared; None when it is not there, and the program does all."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        log.info("no libnftables, nft is run for each change error=%s", error)
        return None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    for function in (library.nft_ctx_get_error_buffer, library.nft_ctx_buffer_error, library.nft_ctx_free):
        function.argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


def _failure(errors: str, complaint: str) -> Exception:
    if "Operation not permitted" in errors:
        return Unusable("nft may not change firewall rules: run as root (CAP_NET_ADMIN)")
    if "Operation not supported" in errors or "Protocol not supported" in errors:
        return Unusable(f"this kernel lacks a part of nf_tables: {complaint}")
    return RefusedByKernel(complaint)


async def _nft(*arguments: str, text: str = "") -> Any:
    try:
        return await run(("nft", *arguments), text)
    except Missing as error:
        raise Unusable(str(error)) from None
