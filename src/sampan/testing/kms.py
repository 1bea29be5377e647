"""A KMS v2 plug-in in a process of its own, for tests: `python -m sampan.testing.kms --socket PATH --keys FILE`.

It keeps its keys in FILE, one line `name base64` each, the last of which is the one to encrypt with; append a line to
rotate. What it encrypts it seals with AES-GCM, so another key or a changed byte is refused. Not a place for secrets:
the keys lie beside what they protect.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sampan.store.encryption import kms_pb2, kms_pb2_grpc

pb: Any = kms_pb2
NONCE_BYTES = 12


def add_key(file: Path, name: str) -> None:
    """Appends a new key, which is the one to encrypt with from now on."""
    with file.open("a") as keys:
        keys.write(f"{name} {base64.b64encode(os.urandom(32)).decode()}\n")


class Plugin(kms_pb2_grpc.KeyManagementServiceServicer):
    def __init__(self, file: Path) -> None:
        self._file = file

    def _keys(self) -> dict[str, bytes]:
        pairs = (line.split() for line in self._file.read_text().splitlines())
        return {name: base64.b64decode(key) for name, key in pairs}

    async def Status(self, request: Any, context: Any) -> Any:
        return pb.StatusResponse(version="v2", healthz="ok", key_id=list(self._keys())[-1])

    async def Encrypt(self, request: Any, context: Any) -> Any:
        name, key = list(self._keys().items())[-1]
        nonce = os.urandom(NONCE_BYTES)
        return pb.EncryptResponse(ciphertext=nonce + AESGCM(key).encrypt(nonce, request.plaintext, b""), key_id=name)

    async def Decrypt(self, request: Any, context: Any) -> Any:
        nonce, sealed = request.ciphertext[:NONCE_BYTES], request.ciphertext[NONCE_BYTES:]
        try:
            return pb.DecryptResponse(plaintext=AESGCM(self._keys()[request.key_id]).decrypt(nonce, sealed, b""))
        except (KeyError, InvalidTag):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not sealed with a key of mine: {request.key_id}")


async def serve(socket: Path, file: Path) -> None:
    server = grpc.aio.server()
    kms_pb2_grpc.add_KeyManagementServiceServicer_to_server(Plugin(file), server)
    server.add_insecure_port(f"unix://{socket}")
    await server.start()
    print("serving", flush=True)
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description="A KMS v2 plug-in for tests.")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--keys", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.socket, arguments.keys))


if __name__ == "__main__":
    main()
