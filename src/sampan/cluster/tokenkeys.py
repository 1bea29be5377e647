"""Replacing the key that signs service accounts' tokens, in steps, as authorities are replaced (`rotation`).

`sa.key` signs; `sa.pub` holds every public key whose signatures are believed beside its own. Where a change stands is
read from the files alone:

    steady     `sa.pub` holds the public half of `sa.key`
    believed   `sa.next.key` is there and its public half is in `sa.pub`; the old key still signs
    signing    the next key has become `sa.key` (one rename); the old public key is still in `sa.pub`

API servers look at both files every second. Tokens of the old key are good until the last step, which is to wait until
their holders have got new ones: an hour for those of pods.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sampan.apiserver.auth.keys import read
from sampan.cluster.authority import pem
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import write_private

KEY, NEXT_KEY, PUBLIC = "sa.key", "sa.next.key", "sa.pub"
STEADY, BELIEVED, SIGNING = "steady", "believed", "signing"


def ensure(pki: Path) -> Path:
    """The key, made with its public half where there is none."""
    path = pki / KEY
    key = _load(path) if path.exists() else ec.generate_private_key(ec.SECP256R1())
    if not (pki / PUBLIC).exists():
        _write_public(pki, key)
    if not path.exists():
        write_private(path, pem(key))
    return path


def stage(pki: Path) -> str:
    """Where the change stands. Raises ClusterError for a key that cannot be read."""
    known = [public.key for public in read(pki / PUBLIC)]
    following = pki / NEXT_KEY
    if following.exists() and _load(following).public_key() in known:
        return BELIEVED
    return SIGNING if len(known) > 1 else STEADY


def is_changing(pki: Path) -> bool:
    """Whether there is a step left to take; a machine that has joined a cluster has no such key."""
    return (pki / PUBLIC).exists() and stage(pki) != STEADY


def believe(pki: Path) -> None:
    """Makes the next key and has its signatures believed beside the present one's."""
    following = ec.generate_private_key(ec.SECP256R1())
    write_private(pki / NEXT_KEY, pem(following))
    _write_public(pki, _load(pki / KEY), following)


def sign(pki: Path) -> None:
    """The next key signs from now on."""
    (pki / NEXT_KEY).replace(pki / KEY)


def drop(pki: Path) -> None:
    """Only the key that signs is believed."""
    _write_public(pki, _load(pki / KEY))


# stage -> what comes next, what to tell of it, and what to wait for before the step after it
STEPS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    STEADY: (believe, "1 of 3: a new key was made, and both are believed; the old one still signs", "in a minute"),
    BELIEVED: (sign, "2 of 3: the new key signs; tokens of the old one are still good", "when they are over: in a day"),
    SIGNING: (drop, "3 of 3: tokens of the old key are refused; the change is complete", ""),
}


def advance(pki: Path) -> tuple[str, str]:
    """Takes the next step; tells which it was, and when to take the one after it ("": there is none).

    Raises ClusterError where there is no key, or one that cannot be read.
    """
    if not (pki / KEY).exists():
        raise ClusterError(f"there is no {KEY} in {pki}: start a cluster with `sampan up`, or name --data-dir")
    ensure(pki)
    step, told, wait = STEPS[stage(pki)]
    step(pki)
    return told, wait


def _load(path: Path) -> Any:
    """Raises ClusterError for a file that holds no private key; it may be of any kind that signs tokens."""
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(f"{path} cannot be read as a private key ({error}): put it back from a backup") from None


def _write_public(pki: Path, *keys: Any) -> None:
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    write_private(pki / PUBLIC, b"".join(key.public_key().public_bytes(*form) for key in keys))
