"""What is to be known about the certificates of this machine: until when each is good, who signed it, what is wrong."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from sampan.aio.clock import Clock
from sampan.client.renewal import RENEW_AT, Life
from sampan.cluster import renewal, rotation
from sampan.cluster.authority import load_key
from sampan.cluster.certificates import KNOWN_AUTHORITIES
from sampan.cluster.errors import ClusterError

OLD_AUTHORITY_SHARE = 0.9
PRIVATE = 0o077


@dataclass(frozen=True, kw_only=True)
class Row:
    """One certificate. `end` in seconds since the epoch; `state` is "ok" or says what is the matter."""

    name: str
    user: str
    signer: str
    end: float
    left: float
    state: str = "ok"
    wrong: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """`problems` are of a kind that a person has to mend."""

    authorities: list[Row]
    certificates: list[Row]
    problems: list[str]


def inspect(pki: Path, clock: Clock) -> Report:
    """Raises ClusterError when there are no certificates there."""
    if not (pki / "ca.crt").exists():
        raise ClusterError(f"there are no certificates in {pki}: start a cluster with `sampan up`, or name --data-dir")
    now = clock.now()
    bundles = {name: _bundle(pki / f"{name}.crt") for name in KNOWN_AUTHORITIES if (pki / f"{name}.crt").exists()}
    authorities = [_authority(pki, name, each, now) for name, bundle in bundles.items() for each in bundle]
    certificates = [_certificate(path, bundles, now) for path in renewal.own(pki)]
    wrong = [f"{row.name}: {row.state}" for row in (*authorities, *certificates) if row.wrong]
    return Report(authorities=authorities, certificates=certificates, problems=wrong + open_to_others(pki))


def open_to_others(pki: Path) -> list[str]:
    """Files and folders that somebody else than their owner may read, and how to mend it."""
    found = [path for path in (pki, *sorted(pki.rglob("*"))) if stat.S_IMODE(path.lstat().st_mode) & PRIVATE]
    return [f"{path} can be read by others: chmod {'700' if path.is_dir() else '600'} {path}" for path in found]


def _authority(pki: Path, name: str, certificate: x509.Certificate, now: float) -> Row:
    row = _row(name, certificate, name, now)
    share = Life.of(certificate).share(now)
    if share >= 1:
        return _wrong(row, "has ended: restore a backup, or remove it to start anew")
    if share >= OLD_AUTHORITY_SHARE:
        return _wrong(row, f"ends soon: run `sampan certs rotate-ca --authority {name}`")
    where = rotation.stage(pki, name)
    if where == rotation.STEADY:
        return row
    key = pki / f"{name}.key"
    signing = key.exists() and load_key(key).public_key() == certificate.public_key()
    return _wrong(row, "signs" if signing else "trusted", wrong=False)


def _certificate(path: Path, bundles: dict[str, list[x509.Certificate]], now: float) -> Row:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Row(name=path.stem, user="?", signer="?", end=now, left=0, state=f"cannot be read: {error}", wrong=True)
    signer = next((name for name, bundle in bundles.items() if any(signed(certificate, ca) for ca in bundle)), "")
    row = _row(path.stem, certificate, signer or "unknown", now)
    share = Life.of(certificate).share(now)
    if share >= 1:
        return _wrong(row, "has ended: run `sampan certs renew`")
    if not signer and not (path.parent / "ca.key").exists():
        signer, row = "elsewhere", _row(path.stem, certificate, "elsewhere", now)  # this machine has joined a cluster
    if not signer:
        return _wrong(row, "no authority here signed it: run `sampan certs renew`")
    try:
        fits = load_key(path.with_suffix(".key")).public_key() == certificate.public_key()
    except ClusterError as error:
        return _wrong(row, str(error))
    if not fits:
        return _wrong(row, "does not belong to the key beside it: run `sampan certs renew`")
    return _wrong(row, "renewal is due", wrong=False) if share >= RENEW_AT else row


def signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _row(name: str, certificate: x509.Certificate, signer: str, now: float) -> Row:
    user = ", ".join(str(a.value) for a in reversed(list(certificate.subject)))
    end = Life.of(certificate).end
    return Row(name=name, user=user, signer=signer, end=end, left=end - now)


def _wrong(row: Row, state: str, *, wrong: bool = True) -> Row:
    return Row(**{**vars(row), "state": state, "wrong": wrong})


def _bundle(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise ClusterError(f"{path} holds no certificate ({error}): put it back from a backup") from None
