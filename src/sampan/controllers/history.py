"""ControllerRevisions: the templates a StatefulSet or DaemonSet has had, in the form `kubectl rollout` reads.

A revision's data is a strategic merge patch that puts the template back: `{"spec": {"template": {"$patch": "replace",
...}}}`. Revisions count up; a template that comes back gets the highest number again (API reference,
ControllerRevision).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.api.errors import AlreadyExists
from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.controllers.ownership import controller_of, reference_to
from sampan.controllers.writer import ALPHABET, Writer

HASH_LABEL = "controller.kubernetes.io/hash"
POD_LABEL = "controller-revision-hash"
_encode = msgspec.json.Encoder(order="deterministic").encode


def data_of(owner: Any) -> dict[str, Any]:
    """The patch that puts the owner's present template back."""
    template = msgspec.json.decode(msgspec.json.encode(owner.spec.template))
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def template_of(revision: Any) -> Any:
    """The pod template that a revision holds."""
    fields = {key: value for key, value in revision.data["spec"]["template"].items() if key != "$patch"}
    return msgspec.convert(fields, core_v1.PodTemplateSpec)


def digest(data: Any, collisions: int | None) -> str:
    """Up to ten safe characters for a revision's data."""
    salt = str(collisions).encode() if collisions else b""
    number = int.from_bytes(hashlib.blake2s(_encode(data) + salt, digest_size=4).digest(), "big")
    return "".join(ALPHABET[ord(character) % len(ALPHABET)] for character in str(number))


@dataclass(frozen=True)
class Wanted:
    """The revision of the present template: one that exists, with the number it should have, or one to create."""

    revision: Any
    number: int
    exists: bool


def wanted(owner: Any, known: Sequence[Any], labels: dict[str, str] | None = None) -> Wanted:
    """`known` are the owner's revisions; `labels` go on a new one beside the hash."""
    data = data_of(owner)
    encoded = _encode(data)
    highest = max((one.revision or 0 for one in known), default=0)
    for one in sorted(known, key=lambda one: -(one.revision or 0)):
        if _encode(one.data) == encoded:
            return Wanted(one, one.revision if one.revision == highest else highest + 1, True)
    collisions = owner.status.collisionCount if owner.status else None
    name = digest(data, collisions)
    made = apps_v1.ControllerRevision(
        metadata=meta_v1.ObjectMeta(
            name=f"{owner.metadata.name}-{name}",
            namespace=owner.metadata.namespace,
            labels={**(owner.spec.template.metadata.labels or {}), **(labels or {}), HASH_LABEL: name, POD_LABEL: name},
            annotations=owner.metadata.annotations,
            ownerReferences=[reference_to(owner)],
        ),
        data=data,
        revision=highest + 1,
    )
    return Wanted(made, highest + 1, False)


def surplus(known: Sequence[Any], live: Collection[str], limit: int | None) -> list[Any]:
    """The revisions beyond the history limit, oldest first; those named in `live` are in use and do not count."""
    idle = sorted((one for one in known if one.metadata.name not in live), key=lambda one: one.revision or 0)
    return idle[: max(0, len(idle) - (10 if limit is None else limit))]


async def settle(write: Writer, want: Wanted) -> Any:
    """Makes it so: creates the revision or gives it its number. None when its name was taken by another's."""
    if want.exists:
        if want.revision.revision == want.number:
            return want.revision
        return await write.patch(want.revision, {"revision": want.number})
    try:
        return await write.create(want.revision)
    except AlreadyExists:
        existing = await write.existing(want.revision)
        same = existing is not None and _encode(existing.data) == _encode(want.revision.data)
        owner = existing and controller_of(existing)
        ours = owner is not None and owner.uid == want.revision.metadata.ownerReferences[0].uid
        return existing if same and ours else None
