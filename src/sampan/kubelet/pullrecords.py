"""Which images this kubelet has pulled and with whose credentials, so that a pod cannot use an image that is on the
node only because a pod of somebody else had the key to it (KEP-2535).

Before a pull an intent is written, after it a record: one file each under `<kubelet>/image_manager/{pulling,pulled}`,
in upstream's format and places. An image without either was put on the node by something else, and counts as preloaded.
A record that cannot be read lets nobody in without a new pull.

What a record allows is found in this order: an image that was once pulled without a pod's own credentials is
everybody's; a secret with the same content, or the same secret with new content, was good enough before, and so was the
same service account; all others must pull, which lets the registry decide.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock, timestamp
from sampan.kubelet.imagenames import repository, with_tag
from sampan.kubelet.pullsecrets import Credential

log = logging.getLogger(__name__)
VERSION = "kubelet.config.k8s.io/v1beta1"
MOST_SECRETS = 100
"""Secrets, and as many service accounts, noted for one repository of an image; the rest pull again."""
SECRETS, ACCOUNTS = "kubernetesSecretCoordinates", "kubernetesServiceAccounts"


class PullRecords:
    """`verify` is upstream's imagePullCredentialsVerificationPolicy, `allowed` the list that goes with it. Images whose
    names begin with `own` are made here, in no registry and nobody's secret, whatever else has the same content.

    A file that cannot be written is logged: the worst that follows is a pull too many.
    """

    def __init__(self, folder: Path, clock: Clock, *, verify: str, allowed: Sequence[str], own: str) -> None:
        self._pulling = folder / "pulling"
        self._pulled = folder / "pulled"
        self._clock = clock
        self._verify = verify
        self._allowed = allowed
        self._own = own
        self._under_way: Counter[str] = Counter()

    def intend(self, image: str) -> None:
        self._under_way[image] += 1
        write(self._pulling, image, {"kind": "ImagePullIntent", "apiVersion": VERSION, "image": image})

    def failed(self, image: str) -> None:
        self._end(image)

    def pulled(self, image: str, reference: str, credential: Credential | None) -> None:
        """The pull of `image` gave the image `reference`; `credential` is what let us in, None when nothing did."""
        self._note(image, reference, {"nodePodsAccessible": True} if credential is None else noted(credential))
        self._end(image)

    def must_pull(self, image: str, reference: str, credentials: Iterable[Credential]) -> bool:
        """Whether a pod with these credentials may use the image on the node only after the registry has let it in."""
        if image.startswith(self._own):
            return False
        try:
            record = read(self._pulled, reference)
            ours = record is not None or self._under_way[image] > 0 or read(self._pulling, image) is not None
        except (OSError, ValueError) as error:
            log.warning("a pull record cannot be read, the image is pulled again image=%s error=%s", image, error)
            return True
        if not self._is_verified(image, ours):
            return False
        known = (record or {}).get("credentialMapping", {}).get(repository(image))
        if known is None:
            return True
        return not (known.get("nodePodsAccessible") or self._has_one_of(known, image, reference, credentials))

    def _has_one_of(self, known: Any, image: str, reference: str, credentials: Iterable[Credential]) -> bool:
        for credential in credentials:
            own = credential.coordinates()
            if any(is_same(own, other) for other in known.get(source_of(credential), ())):
                self._note(image, reference, noted(credential))
                return True
        return False

    def recover(self, listed: Iterable[Any]) -> None:
        """After a restart: an image whose pull was under way and that is there is ours, with nobody's key known."""
        names = {name: found.id for found in listed for name in (*found.repo_tags, *found.repo_digests)}
        for intent in self._entries(self._pulling):
            image = str(intent.get("image", ""))
            reference = names.get(with_tag(image))
            if reference is not None:
                self._note(image, reference, None)
                self._end(image)

    def forget_others(self, references: set[str], before: float) -> None:
        """Drops the records, last changed before that time, of images that are on the node no more."""
        for record in self._entries(self._pulled):
            reference = record.get("imageRef", "")
            if reference not in references and record.get("lastUpdatedTime", "") < timestamp(before):
                place(self._pulled, reference).unlink(missing_ok=True)

    def _is_verified(self, image: str, ours: bool) -> bool:
        if self._verify == "NeverVerify":
            return False
        if self._verify == "AlwaysVerify" or ours:
            return True
        return self._verify == "NeverVerifyAllowlistedImages" and not any(
            is_allowed(repository(image), entry) for entry in self._allowed
        )

    def _note(self, image: str, reference: str, credentials: dict[str, Any] | None) -> None:
        try:
            before = read(self._pulled, reference)
        except (OSError, ValueError):
            before = None
        record = before or {"kind": "ImagePulledRecord", "apiVersion": VERSION, "imageRef": reference}
        known = dict(record.get("credentialMapping", {}))
        if credentials is not None:
            known[repository(image)] = merged(known.get(repository(image), {}), credentials)
        if before is None or known != before.get("credentialMapping", {}):
            now = timestamp(self._clock.now())
            write(self._pulled, reference, {**record, "lastUpdatedTime": now, "credentialMapping": known})

    def _end(self, image: str) -> None:
        self._under_way[image] -= 1
        if self._under_way[image] <= 0:
            del self._under_way[image]
            place(self._pulling, image).unlink(missing_ok=True)

    @staticmethod
    def _entries(folder: Path) -> list[dict[str, Any]]:
        found = []
        for path in sorted(folder.glob("sha256-*")):
            try:
                found.append(decoded(path.read_text()))
            except (OSError, ValueError) as error:
                log.warning("a pull record cannot be read path=%s error=%s", path, error)
        return found


def source_of(credential: Credential) -> str:
    """The list of a record that tells of credentials such as this one."""
    return SECRETS if credential.secret is not None else ACCOUNTS


def noted(credential: Credential) -> dict[str, Any]:
    own = credential.coordinates()
    return {source_of(credential): [own]} if own else {"nodePodsAccessible": True}


def merged(known: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    if known.get("nodePodsAccessible") or new.get("nodePodsAccessible"):
        return {"nodePodsAccessible": True}
    sources = (source for source in (SECRETS, ACCOUNTS) if known.get(source) or new.get(source))
    return {source: joined(known.get(source, []), new.get(source, [])) for source in sources}


def joined(known: list[Any], own: list[Any]) -> list[Any]:
    """The newest last; of one Secret or account only what it is now."""
    if own == [entry for entry in known if entry in own]:
        return known
    places = [where(entry) for entry in own]
    others = [entry for entry in known if where(entry) not in places]
    return [*others[: MOST_SECRETS - len(own)], *own]


def where(secret: dict[str, str]) -> tuple[str, ...]:
    return tuple(secret.get(name, "") for name in ("uid", "namespace", "name"))


def is_same(one: dict[str, str], other: dict[str, str]) -> bool:
    """An account's own alone, a secret's also where another has the same content."""
    held = one.get("credentialHash")
    return bool(one) and (where(one) == where(other) or (held is not None and held == other.get("credentialHash")))


def is_allowed(name: str, entry: str) -> bool:
    """`entry` is a repository, or a path of one with `/*` for all below it."""
    return name.startswith(entry[:-1]) if entry.endswith("/*") else name == entry


def place(folder: Path, name: str) -> Path:
    return folder / f"sha256-{hashlib.sha256(name.encode()).hexdigest()}"


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """Raises OSError, and ValueError for what is no record."""
    try:
        return decoded(place(folder, name).read_text())
    except FileNotFoundError:
        return None


def decoded(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("credentialMapping", {}), dict):
        raise ValueError("it is not a record of a pull")
    return found


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    path = place(folder, name)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}")
        fresh.write_text(json.dumps(content, separators=(",", ":")))
        fresh.rename(path)
    except OSError as error:
        log.warning("a pull record could not be written image=%s error=%s", name, error)
