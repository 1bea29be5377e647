"""Bringing what is stored under the present configuration: the last step of a key's rotation, and of turning it off."""

from __future__ import annotations

import contextlib

from sampan.store.encryption.kms import KeyNeeded, Kms
from sampan.store.encryption.store import EncryptedStore
from sampan.store.errors import Compacted
from sampan.store.interface import Compare, KeyValue, Put

EVERYTHING = ("", "\U0010ffff")
PAGE = 500


async def rewrite(store: EncryptedStore) -> int:
    """Writes every object anew that is not encrypted by the first provider of its rule; answers how many.

    Objects that others change meanwhile are left to them: what is written since is under the present key anyway. The
    store serves on; watchers see each as a change. At the end the history is compacted, because its values are still
    under the old keys: once it is gone, so may they. Raises `Corrupt` for what no configured key reads.
    """
    start, end = EVERYTHING
    revision = written = 0
    while True:
        page = await store.inner.range(start, end, limit=PAGE, revision=revision)
        for item in page.items:
            written += await _rewrite(store, item)
        if not page.more:
            break
        start, revision = page.items[-1].key + "\0", page.revision
    with contextlib.suppress(Compacted):
        await store.compact(await store.latest())
    return written


async def _rewrite(store: EncryptedStore, item: KeyValue) -> bool:
    if await _is_current(store, item):
        return False
    value = await store.opened(item.key, item.value)
    commit = await store.commit([Compare(item.key, item.mod_revision)], [Put(item.key, value, item.lease)])
    return commit.succeeded


async def _is_current(store: EncryptedStore, item: KeyValue) -> bool:
    chain = store.configuration.chain(item.key)
    first = chain.ciphers[0]
    if isinstance(first, Kms):
        return item.value.startswith(first.prefix) and first.is_current(item.value[len(first.prefix) :])
    try:
        return chain.is_current(item.value, item.key)
    except KeyNeeded as needed:
        await needed.fetch()
        return chain.is_current(item.value, item.key)
