"""A TLS context that follows its files: every new connection is made with the certificates as they are then.

asyncio and uvloop ask a context for one thing, `wrap_bio`, once for each connection. `ReloadingContext` looks there
whether a file has changed, builds a new context when one has, and lets the newest make the connection. So a renewed
certificate or a changed bundle of authorities needs no restart, no timer and no signal, and connections that stand go
on undisturbed. Files that cannot be used (a renewal writes the key first, then the certificate) leave the last good
context in use, until they change again.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sampan.aio.files import Watched

log = logging.getLogger(__name__)
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; 1.3 has no others. Some builds of Python offer all that OpenSSL knows, CBC and SHA-1 among it."""


def serving() -> ssl.SSLContext:
    """For a server, without its certificate yet: TLS 1.2 and newer (RFC 9325)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


class ReloadingContext(ssl.SSLContext):
    """Stands in for the newest of the contexts that `make` has built; `reloaded` counts those after the first."""

    _make: Callable[[], ssl.SSLContext]
    _files: Watched
    current: ssl.SSLContext
    reloaded: int

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        self.refresh()
        return self.current.wrap_bio(*args, **kwargs)

    def refresh(self) -> None:
        """Takes up files that have changed."""
        if not self._files.changed():
            return
        try:
            self.current = self._make()
        except (OSError, ValueError) as error:
            log.warning("certificates cannot be used, the last good ones stay files=%s error=%s", self._shown(), error)
        else:
            self.reloaded += 1
            log.info("certificates taken up files=%s", self._shown())

    def _shown(self) -> str:
        return ",".join(path.name for path in self._files.paths)


def reloading(make: Callable[[], ssl.SSLContext], files: Iterable[Path], *, server: bool) -> ReloadingContext:
    """A context that is what `make()` gives, and gives again when one of `files` has changed.

    Raises what `make` raises for files that cannot be used: OSError (`ssl.SSLError` is one) and ValueError.
    """
    made = ReloadingContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made._files = Watched(files)
    made._make, made.reloaded = make, 0
    made.current = make()
    return made
