"""The fake API server's rules for one object, on plain JSON values: birth, change, marking for deletion."""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.registry import builtin
from sampan.client.targets import Target

Json = dict[str, Any]
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
ANNOTATED = ("deployments",)
"""Kinds of which controllers write annotations together with the status, as the server allows."""
KEPT_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(frozen=True)
class Action:
    """One call as it arrived."""

    verb: str
    plural: str
    namespace: str | None
    name: str
    subresource: str

    def __str__(self) -> str:
        resource = f"{self.plural}/{self.subresource}" if self.subresource else self.plural
        return f"{self.verb} {resource} {self.namespace + '/' if self.namespace else ''}{self.name}".strip()


@dataclass
class Fault:
    """An error to raise; see `FakeApi.fail`."""

    verb: str
    plural: str
    error: BaseException
    times: int
    after: bool

    def takes(self, action: Action) -> bool:
        return self.verb in ("*", action.verb) and self.plural in ("", action.plural)


@dataclass(frozen=True)
class Change:
    """One entry of the history that watches read."""

    revision: int
    resource: tuple[str, str]
    type: str
    value: Json
    old: Json | None

    def seen_by(self, matches: Callable[[Json], bool]) -> str | None:
        """The event's type for a watcher with that selection: an object that starts to match is ADDED to it."""
        before = self.old is not None and matches(self.old)
        if self.type == "DELETED" or not matches(self.value):
            return "DELETED" if before else None
        return "MODIFIED" if before else "ADDED"


class Fields(Mapping[str, str]):
    """An object's fields by dotted path, as field selectors name them."""

    def __init__(self, value: Json) -> None:
        self._value = value

    def __getitem__(self, path: str) -> str:
        found: Any = self._value
        for part in path.split("."):
            found = (found or {}).get(part)
        return "" if found is None else str(found)

    def get(self, path: str, default: Any = None) -> Any:
        return self[path]

    def __contains__(self, path: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


def first_after(changes: list[Change], revision: int) -> int:
    """The position of the first change after that revision."""
    return bisect.bisect_right(changes, revision, key=lambda change: change.revision)


def to_json(obj: Any) -> Any:
    """A struct or dict as a fresh JSON value."""
    return msgspec.json.decode(msgspec.json.encode(obj))


copy = to_json


def suffix(rng: random.Random) -> str:
    return "".join(rng.choice(SUFFIX) for _ in range(5))


def born(of: Target[Any], value: Json, uid: str, now: float, keep_status: bool) -> None:
    """What a server fills in at creation."""
    meta = value["metadata"]
    meta.setdefault("uid", uid)
    meta.setdefault("creationTimestamp", timestamp(now))
    if "spec" in value:
        meta.setdefault("generation", 1)
    value.setdefault("apiVersion", of.resource.api_version)
    value.setdefault("kind", of.resource.kind)
    if not keep_status and has_status(of):
        value.pop("status", None)
    if of.resource.plural == "namespaces":
        value.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        value.setdefault("status", {}).setdefault("phase", "Active")
    if of.resource.plural == "pods" and not keep_status:
        value["status"] = {"phase": "Pending"}


def has_status(of: Target[Any]) -> bool:
    resource = of.resource
    try:
        return "status" in builtin().resource(resource.group, resource.version, resource.plural).subresources
    except KeyError:
        return False


def merged(of: Target[Any], old: Json, new: Json, subresource: str) -> Json:
    """The object after a write to an endpoint: each endpoint touches only its own part."""
    if subresource == "status" and of.resource.plural in ANNOTATED:
        noted = {**old["metadata"], "annotations": new["metadata"].get("annotations", {})}
        return _with_status({**old, "metadata": noted}, new.get("status"))
    if subresource in ("status", "approval"):
        return _with_status(old, new.get("status"))
    if subresource == "finalize":
        return {**old, "spec": new.get("spec", {})}
    meta = {**new["metadata"]}
    for field in KEPT_METADATA:
        meta.pop(field, None)
        if field in old["metadata"]:
            meta[field] = old["metadata"][field]
    meta["resourceVersion"] = old["metadata"]["resourceVersion"]
    result = {**new, "metadata": meta}
    if has_status(of):
        result = _with_status(result, old.get("status"))
    if "generation" in meta and new.get("spec") != old.get("spec"):
        meta["generation"] += 1
    return result


def _with_status(value: Json, status: Any) -> Json:
    rest = {key: field for key, field in value.items() if key != "status"}
    return rest if status is None else {**rest, "status": status}


def doomed(of: Target[Any], value: Json, now: float, grace: int | None, propagation: str | None) -> Json:
    """The object once deletion was asked for: marked, with the finalizers and the time that this asks for."""
    meta = value["metadata"]
    finalizers = [f for f in meta.get("finalizers", []) if f not in ("orphan", "foregroundDeletion")]
    if propagation == "Orphan":
        finalizers.append("orphan")
    elif propagation == "Foreground":
        finalizers.append("foregroundDeletion")
    elif propagation is None:
        finalizers = meta.get("finalizers", [])
    meta.pop("finalizers", None)
    if finalizers:
        meta["finalizers"] = finalizers
    seconds = _grace(of, value, grace)
    if "deletionTimestamp" not in meta or seconds < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = timestamp(now + seconds)
        meta["deletionGracePeriodSeconds"] = seconds
        if "generation" in meta:
            meta["generation"] += 1
    if of.resource.plural == "namespaces":
        value.setdefault("status", {})["phase"] = "Terminating"
    return value


def _grace(of: Target[Any], value: Json, asked: int | None) -> int:
    """Seconds a pod is given to end: none when it never reached a node or has ended."""
    if of.resource.plural != "pods":
        return 0
    spec = value.get("spec", {})
    if not spec.get("nodeName") or value.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked)


def finished(value: Json) -> bool:
    """Whether an object marked for deletion has nothing left to wait for."""
    meta = value["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return not (value.get("kind") == "Namespace" and value.get("spec", {}).get("finalizers"))


def access_review(value: Json, allowed: Container[str], tokens: Mapping[str, tuple[str, ...]]) -> Json:
    """A SubjectAccessReview with its answer."""
    spec = value["spec"]
    asked = spec.get("resourceAttributes") or {}
    path = (spec.get("nonResourceAttributes") or {}).get("path", "")
    resource = path or "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
    verb = asked.get("verb") or spec["nonResourceAttributes"]["verb"]
    return {**value, "status": {"allowed": f"{spec.get('user')} {verb} {resource}" in allowed}}


def token_review(value: Json, allowed: Container[str], tokens: Mapping[str, tuple[str, ...]]) -> Json:
    """A TokenReview with its answer."""
    known = tokens.get(value["spec"]["token"])
    if known is None:
        return {**value, "status": {"error": "invalid bearer token"}}
    return {**value, "status": {"authenticated": True, "user": {"username": known[0], "groups": list(known[1:])}}}


REVIEWS = {"subjectaccessreviews": access_review, "tokenreviews": token_review}
