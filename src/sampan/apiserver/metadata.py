"""What the server itself writes into an object's metadata, whatever its kind.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

from __future__ import annotations

import random
from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.errors import BadRequest
from sampan.api.kinds import meta_v1
from sampan.apiserver.write import Write

SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
LONGEST_GENERATED = 63
FIXED_BITS, VERSION_4 = 0xF << 76 | 0x3 << 62, 0x4 << 76 | 0x2 << 62
"""Of a UUID: version and variant."""


def ensure(obj: Any) -> Any:
    """The object's metadata, made when it has none."""
    if obj.metadata is None:
        obj.metadata = meta_v1.ObjectMeta()
    return obj.metadata


def check_place(write: Write) -> None:
    """The namespace in the object must be the request's, or empty. Raises BadRequest."""
    metadata = ensure(write.new)
    if not write.kind.namespaced:
        metadata.namespace = None
        return
    if metadata.namespace and metadata.namespace != write.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    metadata.namespace = write.namespace


def check_named(obj: Any, name: str) -> None:
    """The name in the object must be the URL's, or empty. Raises BadRequest."""
    metadata = ensure(obj)
    if not metadata.name:
        metadata.name = name
    elif metadata.name != name:
        raise BadRequest(f"the name of the object ({metadata.name}) does not match the name on the URL ({name})")


def begin(write: Write, rng: random.Random, now: float) -> None:
    """Identity and birth of a new object; what only the server may say is taken away from the client."""
    metadata = write.new.metadata
    metadata.uid = new_uid(rng)
    metadata.creationTimestamp = timestamp(now)
    metadata.deletionTimestamp = None
    metadata.deletionGracePeriodSeconds = None
    metadata.selfLink = None
    metadata.generation = None
    if metadata.generateName and not metadata.name:
        metadata.name = generated(metadata.generateName, rng)
    write.name = metadata.name or ""


def carry(write: Write) -> None:
    """What an update may leave out is taken from the stored object (rest.BeforeUpdate)."""
    new, old = write.new.metadata, write.old.metadata
    new.generation = old.generation
    if not new.uid:
        new.uid = old.uid
    if not new.creationTimestamp:
        new.creationTimestamp = old.creationTimestamp
    new.selfLink = None
    if new.deletionTimestamp is None:
        new.deletionTimestamp = old.deletionTimestamp
    if new.deletionGracePeriodSeconds is None:
        new.deletionGracePeriodSeconds = old.deletionGracePeriodSeconds
    if not new.generateName:
        new.generateName = old.generateName if write.subresource else new.generateName


def new_uid(rng: random.Random) -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{rng.getrandbits(128) & ~FIXED_BITS | VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def generated(base: str, rng: random.Random) -> str:
    """`base` (cut if need be) and five letters that spell no words."""
    return base[: LONGEST_GENERATED - SUFFIX_LENGTH] + "".join(rng.choices(SUFFIX_LETTERS, k=SUFFIX_LENGTH))
