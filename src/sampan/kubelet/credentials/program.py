"""Asking a credential provider: a request on its standard input, a response on its standard output, both JSON.

(API reference, Kubelet CredentialProvider (v1): CredentialProviderRequest and CredentialProviderResponse.)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from sampan.aio import children
from sampan.aio.clock import Clock
from sampan.api.durations import read_duration
from sampan.kubelet.credentials.configuration import Provider
from sampan.kubelet.metrics.instruments import Instruments

PATIENCE = 60.0
"""Seconds that a program has, as upstream gives it."""
MOST_BYTES = 1 << 20
SHOWN_BYTES = 2000


class ProviderFailure(Exception):
    """The program gave no credentials; the message has nothing of what it wrote on its standard output."""


class Request(msgspec.Struct, omit_defaults=True, tag_field="kind", tag="CredentialProviderRequest"):
    apiVersion: str
    image: str
    serviceAccountToken: str = ""
    serviceAccountAnnotations: dict[str, str] = {}


class Login(msgspec.Struct):
    username: str = ""
    password: str = ""


class Response(msgspec.Struct):
    """`cacheKeyType` is Image, Registry or Global; `auth` has logins by what images they are for."""

    kind: str
    apiVersion: str
    cacheKeyType: str = ""
    cacheDuration: str | None = None
    auth: dict[str, Login] | None = None

    def lasts(self, default: float) -> float:
        """Seconds; raises ValueError."""
        return default if self.cacheDuration is None else read_duration(self.cacheDuration)


class Ask(Protocol):
    async def __call__(self, provider: Provider, request: Request) -> Response:
        """Raises ProviderFailure."""
        ...


class Programs:
    """The providers' programs, in one folder."""

    def __init__(self, folder: Path, clock: Clock, instruments: Instruments) -> None:
        self._folder = folder
        self._clock = clock
        self._instruments = instruments

    async def __call__(self, provider: Provider, request: Request) -> Response:
        began = self._clock.monotonic()
        try:
            output = await self._clock.wait_for(self._run(provider, msgspec.json.encode(request)), PATIENCE)
        except (OSError, ProviderFailure) as error:
            self._instruments.provider_errors.inc(provider.name)
            why = "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
            what = f"credential provider plugin {provider.name} for image {request.image}"
            raise ProviderFailure(f"error execing {what}: {why}") from None
        finally:
            self._instruments.provider_seconds.labels(provider.name).observe(self._clock.monotonic() - began)
        return decoded(output, provider.apiVersion)

    async def _run(self, provider: Provider, request: bytes) -> bytes:
        """What the program writes; it may end without having read what it is asked."""
        with memory(request) as source:
            process = await children.start(
                self._folder / provider.name,
                *provider.args,
                clock=self._clock,
                env={**os.environ, **{variable.name: variable.value for variable in provider.env}},
                stdin=source,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        assert process.stdout is not None and process.stderr is not None
        end = partial(children.kill, process.pid)
        try:
            output, errors = await asyncio.gather(bounded(process.stdout, end), bounded(process.stderr, end))
            status = await process.wait()
        finally:
            await children.end(process, self._clock)
        if len(output) > MOST_BYTES:
            raise ProviderFailure(f"it wrote more than {MOST_BYTES} bytes")
        if status:
            raise ProviderFailure(f"exit status {status}: {errors.decode(errors='replace')[:SHOWN_BYTES]}")
        return output


def memory(data: bytes) -> BinaryIO:
    """A file in memory with the data."""
    made = os.fdopen(os.memfd_create("provider"), "w+b")
    made.write(data)
    made.seek(0)
    return made


async def bounded(stream: asyncio.StreamReader, end: Callable[[], None]) -> bytes:
    """All that is written; when it is more than MOST_BYTES, its beginning, and whoever writes it is ended."""
    found = bytearray()
    while chunk := await stream.read(1 << 16):
        if len(found) > MOST_BYTES:
            end()
        else:
            found += chunk
    return bytes(found)


def decoded(output: bytes, version: str) -> Response:
    """Raises ProviderFailure, without the output: it may hold a password."""
    try:
        found = msgspec.json.decode(output, type=Response)
        found.lasts(0.0)
    except ValueError:
        raise ProviderFailure("error decoding credential provider plugin response from stdout") from None
    if found.kind != "CredentialProviderResponse":
        raise ProviderFailure(f'failed to decode CredentialProviderResponse, unexpected Kind: "{found.kind[:100]}"')
    if found.apiVersion != version:
        expected = f"expected apiVersion:{version}, actual apiVersion:{found.apiVersion[:100]}"
        raise ProviderFailure(f"apiVersion from credential plugin response did not match {expected}")
    return found
