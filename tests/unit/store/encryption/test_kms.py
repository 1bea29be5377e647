"""KMS v2, with a plug-in in this process behind a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sampan.store import keys
from sampan.store.encryption import EncryptedStore, kms_pb2, kms_pb2_grpc, rewrite
from sampan.store.encryption.configuration import Configuration, parse
from sampan.store.errors import Unavailable
from sampan.store.interface import Put
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock

pb: Any = kms_pb2
PLACE = keys.key("", "secrets", "default", "a")


class Plugin(kms_pb2_grpc.KeyManagementServiceServicer):
    """Encrypts by reversing, and counts what it is asked."""

    def __init__(self) -> None:
        self.key, self.health = "k1", "ok"
        self.encrypted = self.decrypted = 0

    async def Status(self, request: Any, context: Any) -> Any:
        return pb.StatusResponse(version="v2", healthz=self.health, key_id=self.key)

    async def Encrypt(self, request: Any, context: Any) -> Any:
        self.encrypted += 1
        sealed = self.key.encode() + request.plaintext[::-1]
        return pb.EncryptResponse(ciphertext=sealed, key_id=self.key, annotations={"a.example": b"1"})

    async def Decrypt(self, request: Any, context: Any) -> Any:
        self.decrypted += 1
        assert request.ciphertext.startswith(request.key_id.encode())
        assert dict(request.annotations) == {"a.example": b"1"}
        return pb.DecryptResponse(plaintext=request.ciphertext[len(request.key_id) :][::-1])


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/kms.sock"


@pytest.fixture
async def plugin(endpoint: str) -> AsyncIterator[Plugin]:
    made = Plugin()
    server = grpc.aio.server()
    kms_pb2_grpc.add_KeyManagementServiceServicer_to_server(made, server)
    server.add_insecure_port(endpoint)
    await server.start()
    yield made
    await server.stop(None)


def configured(endpoint: str) -> Configuration:
    text = f"""
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {{apiVersion: v2, name: plugin, endpoint: "{endpoint}", timeout: 500ms}}
  - identity: {{}}
"""
    return parse(text.encode())


async def test_one_question_for_many_objects_and_one_for_a_foreign_seed(plugin: Plugin, endpoint: str) -> None:
    inner = MemoryStore()
    store = EncryptedStore(inner, configured(endpoint), VirtualClock())
    await store.start()
    for n in range(20):
        await store.commit([], [Put(f"{PLACE}{n}", b"hidden")])
    assert (plugin.encrypted, plugin.decrypted) == (1, 0)
    stored = await inner.range("/", "0")
    assert all(item.value.startswith(b"k8s:enc:kms:v2:plugin:") for item in stored.items)
    assert not any(b"hidden" in item.value for item in stored.items)
    await store.use(configured(endpoint))
    assert {item.value for item in (await store.range("/", "0")).items} == {b"hidden"}
    assert (plugin.encrypted, plugin.decrypted) == (2, 1)
    await store.close()


async def test_a_new_key_of_the_plugins_is_used_and_old_objects_brought_under_it(plugin: Plugin, endpoint: str) -> None:
    clock = VirtualClock()
    store = EncryptedStore(MemoryStore(), configured(endpoint), clock)
    await store.start()
    await store.commit([], [Put(PLACE, b"hidden")])
    assert await rewrite(store) == 0
    plugin.key = "k2"
    await store.configuration.plugins["plugin"].refresh()
    assert await rewrite(store) == 1
    assert await rewrite(store) == 0
    found = await store.get(PLACE)
    assert found is not None
    assert found.value == b"hidden"
    await store.close()


async def test_a_plugin_that_is_ill_or_away_is_told(plugin: Plugin, endpoint: str, tmp_path: Path) -> None:
    plugin.health = "no disk"
    with pytest.raises(Unavailable, match="no disk"):
        await EncryptedStore(MemoryStore(), configured(endpoint), VirtualClock()).start()
    with pytest.raises(Unavailable, match="check that it runs"):
        await EncryptedStore(MemoryStore(), configured(f"unix://{tmp_path}/none"), VirtualClock()).start()
