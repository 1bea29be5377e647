"""A KMS v2 plug-in (KEP-3299): keys that never leave another program.

The server makes a random *seed* and has the plug-in encrypt it. Each write derives a key of its own from the seed by
HKDF-Expand with 32 random bytes (RFC 5869), and stores those, the nonce and the ciphertext of AES-GCM beside the
encrypted seed. So the plug-in is asked once per seed: at the start, when its key changes, and for each foreign seed
that is read (another server's, or an earlier run's), which is then remembered.

Encrypting and decrypting are plain functions of seeds at hand; `KeyNeeded` says that one has to be fetched first.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sampan.aio.clock import Clock
from sampan.store.encryption.ciphers import GCM_NONCE, Undecipherable
from sampan.store.errors import Corrupt, Unavailable

log = logging.getLogger(__name__)
SEED = INFO = 32
POLL_SECONDS = 60.0
SEED_TYPE = 1
REMEMBERED = 1000


class Source(NamedTuple):
    """A seed and what is stored of it."""

    seed: bytes
    encrypted: bytes
    key_id: str
    annotations: dict[str, bytes]


class KeyNeeded(Exception):
    """The data's seed is not known yet: await `fetch()` and try again."""

    def __init__(self, fetch: Callable[[], Awaitable[None]]) -> None:
        super().__init__("a key must be fetched first")
        self.fetch = fetch


class Kms:
    """The plug-in at `endpoint` (`unix:///path`), each of whose calls may take `seconds`. A `Cipher` once started."""

    def __init__(self, name: str, endpoint: str, seconds: float) -> None:
        self.prefix = b"k8s:enc:kms:v2:%s:" % name.encode()
        self.name = name
        self.endpoint = endpoint
        self._seconds = seconds
        self._source: Source | None = None
        self._seeds: dict[tuple[bytes, int], bytes] = {}
        self._channel: Any = None

    async def start(self) -> None:
        """Connects and makes the first seed; raises `Unavailable` when the plug-in does not answer as it should."""
        import grpc.aio

        from sampan.store.encryption import kms_pb2, kms_pb2_grpc

        self._messages: Any = kms_pb2
        self._channel = grpc.aio.insecure_channel(self.endpoint, [("grpc.default_authority", "localhost")])
        self._stub: Any = kms_pb2_grpc.KeyManagementServiceStub(self._channel)
        await self.refresh()

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def run(self, clock: Clock) -> None:
        """Makes a new seed whenever the plug-in's key has changed."""
        while True:
            await clock.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except Unavailable as error:
                log.error("KMS plug-in failed, going on with the seed there is name=%s error=%s", self.name, error)

    async def refresh(self) -> None:
        """Makes a seed if there is none, or if it is of another than the plug-in's present key."""
        status = await self._ask("Status", self._messages.StatusRequest())
        if status.healthz != "ok" or not status.version.startswith("v2"):
            raise Unavailable(
                f"KMS plug-in {self.name}: not healthy: {status.healthz or 'says nothing'} ({status.version})"
            )
        if self._source is not None and self._source.key_id == status.key_id:
            return
        seed = os.urandom(SEED)
        answer = await self._ask("Encrypt", self._messages.EncryptRequest(plaintext=seed, uid=str(uuid.uuid4())))
        self._source = Source(seed, answer.ciphertext, answer.key_id, dict(answer.annotations))
        self._seeds[answer.ciphertext, SEED_TYPE] = seed

    def seal(self, value: bytes, key: str) -> bytes:
        source = self._source
        if source is None:
            raise Unavailable(f"KMS plug-in {self.name} has given no key yet")
        info, nonce = os.urandom(INFO), os.urandom(GCM_NONCE)
        data = info + nonce + _derived(source.seed, info).encrypt(nonce, value, key.encode())
        stored = self._messages.EncryptedObject(
            encryptedData=data,
            keyID=source.key_id,
            encryptedDEKSource=source.encrypted,
            annotations=source.annotations,
            encryptedDEKSourceType=SEED_TYPE,
        )
        return bytes(stored.SerializeToString())

    def open(self, data: bytes, key: str) -> bytes:
        """Raises `KeyNeeded`, `Undecipherable`."""
        stored = self._messages.EncryptedObject()
        try:
            stored.ParseFromString(data)
        except Exception:
            raise Undecipherable from None
        seed = self._seeds.get((stored.encryptedDEKSource, stored.encryptedDEKSourceType))
        if seed is None:
            raise KeyNeeded(lambda: self._fetch(stored))
        sealed = stored.encryptedData
        try:
            if stored.encryptedDEKSourceType != SEED_TYPE:
                return AESGCM(seed).decrypt(sealed[:GCM_NONCE], sealed[GCM_NONCE:], key.encode())
            nonce = sealed[INFO : INFO + GCM_NONCE]
            return _derived(seed, sealed[:INFO]).decrypt(nonce, sealed[INFO + GCM_NONCE :], key.encode())
        except (InvalidTag, ValueError):
            raise Undecipherable from None

    def is_current(self, data: bytes) -> bool:
        """Whether the data is under the plug-in's present key."""
        stored = self._messages.EncryptedObject()
        stored.ParseFromString(data)
        return self._source is not None and stored.keyID == self._source.key_id

    async def _fetch(self, stored: Any) -> None:
        request = self._messages.DecryptRequest(
            ciphertext=stored.encryptedDEKSource,
            uid=str(uuid.uuid4()),
            key_id=stored.keyID,
            annotations=dict(stored.annotations),
        )
        answer = await self._ask("Decrypt", request)
        if not answer.plaintext:
            raise Corrupt(f"KMS plug-in {self.name} gave no key for key id {stored.keyID!r}")
        if len(self._seeds) >= REMEMBERED:
            self._seeds.clear()
        self._seeds[stored.encryptedDEKSource, stored.encryptedDEKSourceType] = answer.plaintext

    async def _ask(self, method: str, request: Any) -> Any:
        import grpc.aio

        try:
            return await getattr(self._stub, method)(request, timeout=self._seconds, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise Unavailable(
                f"KMS plug-in {self.name} at {self.endpoint}: {error.details() or error.code().name}: "
                "check that it runs and that its key can be used"
            ) from None


def _derived(seed: bytes, info: bytes) -> AESGCM:
    return AESGCM(HKDFExpand(SHA256(), SEED, info).derive(seed))
