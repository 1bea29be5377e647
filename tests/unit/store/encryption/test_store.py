"""What lies in the inner store, key rotation, rewriting, and moving things about."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sampan.store import keys
from sampan.store.encryption import EncryptedStore, load, rewrite
from sampan.store.encryption.chain import Chain
from sampan.store.encryption.ciphers import AesCbc, AesGcm, Cipher, Identity, SecretBox, Undecipherable
from sampan.store.encryption.configuration import Configuration, parse
from sampan.store.encryption.store import LOOK_SECONDS
from sampan.store.errors import Compacted, Corrupt
from sampan.store.interface import Compare, Put
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock

PLACE = keys.key("", "secrets", "default", "a")
KINDS = (AesGcm, AesCbc, SecretBox)


def key_bytes(name: str) -> str:
    return base64.b64encode(name.encode().ljust(32, b".")).decode()


def configured(*providers: str) -> Configuration:
    return parse(written(*providers))


def written(*providers: str) -> bytes:
    """A file's content, for secrets: providers as `kind/key`, or `identity`."""
    lines = []
    for provider in providers:
        kind, _, name = provider.partition("/")
        keys_ = f"{{keys: [{{name: {name}, secret: {key_bytes(name)}}}]}}" if name else "{}"
        lines.append(f"  - {kind}: {keys_}\n")
    text = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
    return (text + "resources:\n- resources: [secrets]\n  providers:\n" + "".join(lines)).encode()


@pytest.fixture
async def inner() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.start()
    yield store
    await store.close()


def over(inner: MemoryStore, *providers: str) -> EncryptedStore:
    """The inner store, already started, under a configuration."""
    return EncryptedStore(inner, configured(*providers), VirtualClock())


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("value", [b"", b"x", bytes(16), bytes(range(256)) * 50])
def test_ciphers_give_back_what_they_took(make: type, value: bytes) -> None:
    cipher: Cipher = make("k", bytes(32))
    sealed = cipher.seal(value, PLACE)
    assert cipher.open(sealed, PLACE) == value
    assert cipher.seal(value, PLACE) != sealed
    assert len(value) < 2 or value not in sealed


def test_aescbc_never_gives_the_text_for_another_key() -> None:
    """It authenticates nothing: once in 256 times the padding looks right, and what comes out is noise."""
    sealed = AesCbc("k", bytes(32)).seal(b"some text that is long", PLACE)
    with contextlib.suppress(Undecipherable):
        assert AesCbc("k", b"1" * 32).open(sealed, PLACE) != b"some text that is long"


@pytest.mark.parametrize("make", [AesGcm, SecretBox])
def test_another_key_is_noticed(make: type) -> None:
    sealed = make("k", bytes(32)).seal(b"some text that is long", PLACE)
    with pytest.raises(Undecipherable):
        make("k", b"1" * 32).open(sealed, PLACE)


@pytest.mark.parametrize("make", KINDS)
def test_cut_data_is_noticed(make: type) -> None:
    sealed = make("k", bytes(32)).seal(b"some text that is long", PLACE)
    for damaged in (sealed[:-1], sealed[:5], b""):
        with pytest.raises(Undecipherable):
            make("k", bytes(32)).open(damaged, PLACE)


@pytest.mark.parametrize("make", [AesGcm, SecretBox])
def test_authenticated_ciphers_notice_any_bit(make: type) -> None:
    sealed = bytearray(make("k", bytes(32)).seal(b"text", PLACE))
    for place in range(len(sealed)):
        sealed[place] ^= 1
        with pytest.raises(Undecipherable):
            make("k", bytes(32)).open(bytes(sealed), PLACE)
        sealed[place] ^= 1


def test_aesgcm_binds_a_value_to_its_key() -> None:
    cipher = AesGcm("k", bytes(32))
    with pytest.raises(Undecipherable):
        cipher.open(cipher.seal(b"text", PLACE), PLACE + "b")


async def test_secrets_are_encrypted_and_others_are_not(inner: MemoryStore) -> None:
    store = over(inner, "aesgcm/one")
    pod = keys.key("", "pods", "default", "a")
    await store.commit([], [Put(PLACE, b"hidden"), Put(pod, b"plain")])
    stored, plain = await inner.get(PLACE), await inner.get(pod)
    assert stored is not None
    assert plain is not None
    assert stored.value.startswith(b"k8s:enc:aesgcm:v1:one:")
    assert b"hidden" not in stored.value
    assert plain.value == b"plain"
    refused = await store.commit([Compare(PLACE, 0)], [])
    found = refused.found[PLACE]
    assert found is not None
    assert found.value == b"hidden"


async def test_rotation_and_rewriting(inner: MemoryStore) -> None:
    await over(inner, "identity").commit([], [Put(PLACE + "0", b"0")])
    await over(inner, "aescbc/one", "identity").commit([], [Put(PLACE + "1", b"1")])
    both = over(inner, "secretbox/two", "aescbc/one", "identity")
    await both.commit([], [Put(PLACE + "2", b"2")])
    found = await both.range("/", "0")
    assert [item.value for item in found.items] == [b"0", b"1", b"2"]
    watch = both.watch("/", "0", from_revision=both.revision)
    oldest = both.revision
    assert await rewrite(both) == 2
    assert await rewrite(both) == 0
    seen = []
    while watch.revision < both.revision:
        seen += [event.value for event in await watch.__anext__()]
    assert seen == [b"0", b"1"]
    alone = over(inner, "secretbox/two")
    with pytest.raises(Compacted):
        alone.watch("/", "0", from_revision=oldest)
    assert [item.value for item in (await alone.range("/", "0")).items] == [b"0", b"1", b"2"]
    assert all(item.value.startswith(b"k8s:enc:secretbox:v1:two:") for item in (await inner.range("/", "0")).items)
    assert await rewrite(over(inner, "identity", "secretbox/two")) == 3
    assert [item.value for item in (await inner.range("/", "0")).items] == [b"0", b"1", b"2"]


async def test_a_lost_key_is_named(inner: MemoryStore) -> None:
    await over(inner, "aesgcm/lost").commit([], [Put(PLACE, b"x")])
    for providers in (["aesgcm/other"], ["identity"]):
        with pytest.raises(Corrupt, match=r"k8s:enc:aesgcm:v1:lost.*EncryptionConfiguration"):
            await over(inner, *providers).get(PLACE)


async def test_a_key_of_the_same_name_but_other_bytes_is_tried_and_passed(inner: MemoryStore) -> None:
    old, new = AesGcm("k", b"o" * 32), AesGcm("k", b"n" * 32)
    sealed = Chain([old]).seal(b"x", PLACE)
    chain = Chain([new, old, Identity()])
    assert chain.open(sealed, PLACE) == b"x"
    assert not chain.is_current(sealed, PLACE)


async def test_a_changed_file_is_taken_up_and_one_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    clock = VirtualClock()
    inner = MemoryStore(clock)
    file = tmp_path / "encryption.yaml"
    file.write_bytes(written("aescbc/one", "identity"))
    store = EncryptedStore(inner, load(file), clock, file=file)
    await store.start()

    async def stored_after(content: bytes) -> bytes:
        file.write_bytes(content)
        await clock.advance(LOOK_SECONDS)
        await store.commit([], [Put(PLACE, b"plain")])
        found = await inner.get(PLACE)
        assert found is not None
        return found.value[:24]

    assert (await stored_after(written("aesgcm/two", "aescbc/one"))).startswith(b"k8s:enc:aesgcm:v1:two:")
    assert (await stored_after(b"kind: Nonsense")).startswith(b"k8s:enc:aesgcm:v1:two:")
    assert (await stored_after(written("aescbc/three", "aesgcm/two"))).startswith(b"k8s:enc:aescbc:v1:three:")
    file.unlink()
    await clock.advance(LOOK_SECONDS)
    found = await store.get(PLACE)
    assert found is not None
    assert found.value == b"plain"
    assert store.statistics()["encryption_reloads"] == 2
    await store.close()
