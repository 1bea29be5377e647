"""Replacing an authority without anybody being refused meanwhile: trust both, reissue, drop the old.

Where a change stands is read from the files alone, so that it can be stopped and taken up at any moment:

    steady     one certificate in `<name>.crt`
    trusting   `<name>.next.key` is there and its certificate is in the bundle; the old key still signs
    reissued   the next key has become `<name>.key` (one rename); the old certificate is still in the bundle

Each step ends with one atomic write that the whole state follows from. The first certificate of a bundle is the one
that signs, or is about to: so other machines, which see nothing but the bundle, know when to ask for a new certificate.
Between two steps everybody must have taken up the first: processes here within seconds, pods when the kubelet refreshes
their volumes, other machines within a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from sampan.aio.clock import Clock
from sampan.cluster.authority import load_key, new_authority, pem, pem_of
from sampan.cluster.certificates import KNOWN_AUTHORITIES
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import write_private

STEADY, TRUSTING, REISSUED = "steady", "trusting", "reissued"


def stage(pki: Path, name: str) -> str:
    """Where the change of an authority stands. Raises ClusterError for a next key that cannot be read."""
    bundle = _bundle(pki, name)
    following = _next_key(pki, name)
    if following.exists():
        public = load_key(following).public_key()
        if any(certificate.public_key() == public for certificate in bundle):
            return TRUSTING
    return REISSUED if len(bundle) > 1 else STEADY


def trust(pki: Path, name: str, clock: Clock) -> None:
    """Makes the next authority and has it trusted beside the present one."""
    key, certificate = new_authority(f"{KNOWN_AUTHORITIES[name]}@{int(clock.now())}", clock)
    write_private(_next_key(pki, name), pem(key))
    write_private(pki / f"{name}.crt", pem_of(*_bundle(pki, name), certificate))


def reissue(pki: Path, name: str, clock: Clock) -> None:
    """The next key signs from now on; certificates are made anew when they are next looked at."""
    following = load_key(_next_key(pki, name)).public_key()
    ordered = sorted(_bundle(pki, name), key=lambda certificate: certificate.public_key() != following)
    write_private(pki / f"{name}.crt", pem_of(*ordered))
    _next_key(pki, name).replace(pki / f"{name}.key")


def drop(pki: Path, name: str, clock: Clock) -> None:
    """Only the authority that signs is trusted."""
    signing = load_key(pki / f"{name}.key").public_key()
    kept = [certificate for certificate in _bundle(pki, name) if certificate.public_key() == signing]
    write_private(pki / f"{name}.crt", pem_of(*kept))


# stage -> what comes next, and what to tell of it
STEPS: dict[str, tuple[Callable[[Path, str, Clock], None], str]] = {
    STEADY: (trust, "1 of 3: a new authority was made, and both are trusted; the old one still signs"),
    TRUSTING: (reissue, "2 of 3: the new authority signs, and every certificate was made anew; both are trusted"),
    REISSUED: (drop, "3 of 3: only the new authority is trusted; the change is complete"),
}


def advance(pki: Path, name: str, clock: Clock) -> str:
    """Takes the next step and tells which it was. Raises ClusterError for an authority that the cluster has not."""
    if not (pki / f"{name}.crt").exists():
        raise ClusterError(f"this cluster has no authority {name}: `sampan certs check` shows those it has")
    step, told = STEPS[stage(pki, name)]
    step(pki, name, clock)
    return told


def _bundle(pki: Path, name: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((pki / f"{name}.crt").read_bytes())


def _next_key(pki: Path, name: str) -> Path:
    return pki / f"{name}.next.key"
