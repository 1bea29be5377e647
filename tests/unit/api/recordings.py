"""Recorded conversations with upstream v1.36, run through the write path without a server.

A request's body is decoded, given its defaults, put through its kind's strategy and judged; what comes out is held
against what upstream answered: the violations of a refused object, the body of an accepted one. What admission,
allocation and storage add is left out of the comparison. The recordings are read where they lie and never copied.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sampan.api import decoding, defaults, registry, strategy, validation, warnings
from sampan.api.errors import FieldError

FOLDER = Path("/work/shared/reference/behaviour")
NOW = "2026-11-21T00:00:00Z"
UID = "00000000-0000-0000-0000-000000000001"
NAMESPACE = "r1-1"
OTHERS_WARNINGS = ('299 - "unknown field', '299 - "duplicate field', '299 - "v1 Endpoints is deprecated')
NEEDS_VERSION = "must be specified for an update"
SUFFIX = "abcde"
ADDRESS = "10.96.0.9"
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/NS)?/(?P<plural>[a-z]+)(?:/(?P<name>[^/?]+))?"
    r"(?:/(?P<sub>[^/?]+))?"
)
UNCOMPARED = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace")
SERVER_SET = {
    "PersistentVolumeClaim": ("metadata.finalizers",),
    "PersistentVolume": ("metadata.finalizers", "status.lastPhaseTransitionTime"),
    "Pod": ("spec.priority", "spec.tolerations", "spec.preemptionPolicy", "spec.priorityClassName"),
    "Service": ("spec.clusterIP", "spec.clusterIPs", "spec.ipFamilies", "spec.ipFamilyPolicy", "spec.ports"),
    "CertificateSigningRequest": ("spec.username", "spec.uid", "spec.groups", "spec.extra", "spec.request"),
    "VolumeAttributesClass": ("metadata.finalizers",),
    "Node": ("spec.taints",),
    "Job": ("spec.selector", "spec.template.metadata"),
    "TokenReview": ("status", "spec"),
    "SelfSubjectAccessReview": ("status",),
    "APIService": ("status",),
    "CustomResourceDefinition": ("status",),
}


@dataclass(frozen=True)
class Answer:
    """What the write path makes of one request."""

    body: Any = None
    errors: tuple[FieldError, ...] = ()
    refused: str = ""
    warnings: tuple[str, ...] = ()


def available() -> bool:
    return FOLDER.exists()


def cases(group: str) -> Iterator[dict[str, Any]]:
    with gzip.open(FOLDER / f"{group}.jsonl.gz", "rt") as lines:
        yield from map(json.loads, lines)


def kind_of(path: str) -> tuple[registry.Kind, str, str] | None:
    """The kind, name and subresource that a request's path names; None when it is not an object's."""
    match = PATH.match(path.split("?")[0])
    if not match:
        return None
    try:
        kind = registry.builtin().resource(match["group"] or "", match["version"], match["plural"])
    except KeyError:
        return None
    return kind, match["name"] or "", match["sub"] or ""


def body_of(body: Any) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    csr = (FOLDER / "csr.b64").read_text().strip()
    text = text.replace('"namespace": "NS"', f'"namespace": "{NAMESPACE}"').replace(
        '"request": "CSR"', f'"request": "{csr}"'
    )
    return text.replace('"x1-NS"', f'"x1-{NAMESPACE}"').encode()


def create(kind: registry.Kind, body: bytes) -> Answer:
    try:
        obj, _ = decoding.decode(kind, body)
        defaults.apply(kind, obj)
    except (msgspec.DecodeError, ValueError) as error:
        return Answer(refused=str(error))
    meta = obj.metadata
    if kind.namespaced and not meta.namespace:
        meta.namespace = NAMESPACE
    if meta.generateName and not meta.name:
        meta.name = f"{meta.generateName}{SUFFIX}"
    meta.uid, meta.creationTimestamp = UID, NOW
    strategy.prepare_create(kind, obj)
    errors = validation.create(kind, obj)
    found = tuple(warnings.create(kind, obj))
    return Answer(body=json.loads(kind.encode(obj)), errors=tuple(errors), warnings=found)


def update(kind: registry.Kind, body: bytes, old: bytes, subresource: str) -> Answer:
    try:
        new, _ = decoding.decode(kind, body)
        defaults.apply(kind, new)
        before, _ = decoding.decode(kind, old)
        defaults.apply(kind, before)
    except (msgspec.DecodeError, ValueError) as error:
        return Answer(refused=str(error))
    if kind.namespaced and not new.metadata.namespace:
        new.metadata.namespace = NAMESPACE
    strategy.prepare_update(kind, new, before, subresource, now=0.0)
    errors = validation.update(kind, new, before, subresource)
    found = tuple(warnings.update(kind, new, before)) if not subresource else ()
    return Answer(body=json.loads(kind.encode(new)), errors=tuple(errors), warnings=found)


def mask(value: Any) -> Any:
    """As replay.py masks, for what can differ between this path and a server."""
    if isinstance(value, dict):
        return {k: mask(v) for k, v in value.items()}
    if isinstance(value, list):
        return [mask(v) for v in value]
    if isinstance(value, str):
        value = value.replace(NAMESPACE, "NS").replace(UID, "<uid>").replace(f"gen-{SUFFIX}", "gen-<suffix>")
        value = re.sub(r'Invalid value: "?\{.*', "Invalid value: {...}", value, flags=re.S)
    return value


def comparable(kind: registry.Kind, body: Any) -> Any:
    body = mask(body)
    for name in UNCOMPARED:
        (body.get("metadata") or {}).pop(name, None)
    for path in SERVER_SET.get(kind.kind, ()):
        *parents, last = path.split(".")
        inner = body
        for parent in parents:
            inner = inner.get(parent) or {}
        inner.pop(last, None)
    return body


def difference(kind: registry.Kind, want: dict[str, Any], have: Answer) -> str:
    """What differs, in a line; empty when all agrees."""
    status, body = want["status"], want["body"]
    if status == 422:
        if NEEDS_VERSION in body.get("message", ""):
            return ""  # the server's verb asks for it, before anything is judged
        causes = [(c["reason"], c["field"], c["message"]) for c in (body.get("details") or {}).get("causes") or ()]
        ours = [(e.reason, e.field, mask(e.message)) for e in have.errors]
        if have.refused:
            return f"refused: {have.refused}"
        if causes != ours:
            missing = [c for c in causes if c not in ours]
            extra = [c for c in ours if c not in causes]
            return f"missing {missing} extra {extra}" if missing or extra else f"order {causes} {ours}"
        return ""
    if status == 400:
        return ""
    if status >= 300:
        return ""
    if have.refused:
        return f"refused: {have.refused}"
    if have.errors:
        return f"too strict: {[str(e) for e in have.errors]}"
    told = sorted(f'299 - "{escaped(w)}"' for w in have.warnings)
    if told != [w for w in want["warnings"] if not w.startswith(OTHERS_WARNINGS)]:
        return f"warnings {want['warnings']} upstream, {told} here"
    wanted, got = comparable(kind, body), comparable(kind, have.body)
    return "" if wanted == got else f"body {first_difference(wanted, got)}"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def first_difference(w: Any, h: Any, path: str = "") -> str:
    if type(w) is type(h) is dict:
        for k in sorted(set(w) | set(h)):
            if k not in h:
                return f"{path}.{k} missing here (upstream {json.dumps(w[k])[:200]})"
            if k not in w:
                return f"{path}.{k} = {json.dumps(h[k])[:200]} here, absent upstream"
            if w[k] != h[k]:
                return first_difference(w[k], h[k], f"{path}.{k}")
    if type(w) is type(h) is list:
        for i, (a, b) in enumerate(zip(w, h, strict=False)):
            if a != b:
                return first_difference(a, b, f"{path}[{i}]")
        return f"{path} has {len(w)} items upstream, {len(h)} here"
    return f"{path}: {json.dumps(w)[:200]} upstream, {json.dumps(h)[:200]} here"


def differences(group: str) -> Iterator[tuple[str, str]]:
    """(case and step, difference or "") for each create and update of a group of recordings."""
    for case in cases(group):
        stored: dict[str, bytes] = {}
        for index, (step, answer) in enumerate(zip(case["steps"], case["answers"], strict=True)):
            found = kind_of(step["p"])
            if found is None or not isinstance(answer["body"], dict) or step.get("b") is None:
                continue
            kind, name, subresource = found
            where = f"{case['id']}#{index} {step.get('note', '')}"
            body = body_of(step["b"])
            if step["m"] == "POST" and not subresource and not name:
                if answer["body"].get("reason") == "AlreadyExists":
                    continue
                yield where, difference(kind, answer, create(kind, body))
                if answer["status"] == 201:
                    made = body_of(answer["body"]).decode().replace("<uid>", UID).replace("<creationTimestamp>", NOW)
                    made = made.replace('"<time>"', f'"{NOW}"').replace("<clusterIP>", ADDRESS)
                    stored[answer["body"].get("metadata", {}).get("name", "")] = made.encode()
            elif step["m"] == "PUT" and name in stored:
                have = update(kind, body, stored[name], subresource)
                yield where, difference(kind, answer, have)


def main() -> None:
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    good: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for where, wrong in differences(sys.argv[1]):
        kind = where.split("/")[1].split("#")[0]
        if only and kind not in only.split(","):
            continue
        total[kind] += 1
        good[kind] += not wrong
        if wrong:
            print(where, "=>", re.sub(r"a{30,}", "aL", wrong)[:limit])
    print({k: f"{good[k]}/{n}" for k, n in total.items() if good[k] != n})
    print(f"all {sum(good.values())}/{sum(total.values())}")


if __name__ == "__main__":
    main()
