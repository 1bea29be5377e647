"""managedFields as upstream left them after each recorded write, given the object that it met."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sampan.api import decoding, defaults, registry, schema
from sampan.api.kinds import meta_v1
from sampan.api.registry import Kind
from sampan.codec import apply, jsonpatch, mergepatch, strategic
from sampan.codec.errors import PatchError

from .. import recordings

BUILTIN = registry.builtin()
NOW = 1_800_000_000.0
TIMES = re.compile(r'"<(time|creationTimestamp|deletionTimestamp)>"')
GROUPS = ("create", "apply", "ssa", "patch", "strategic", "update", "status", "pod", "service", "immutable")


def target(path: str) -> tuple[Kind, str] | None:
    """The kind that a path is about, and the subresource."""
    parts = [p for p in path.partition("?")[0].split("/") if p]
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    try:
        return BUILTIN.resource(group, version, rest[0]), rest[2] if len(rest) > 2 else ""
    except KeyError:
        return None


def manager(path: str) -> str:
    found = re.search(r"fieldManager=([^&]*)", path)
    return found[1] if found else "replay"


def whole(kind: Kind, body: Any) -> Any:
    """A JSON object as a Struct with defaults."""
    text = TIMES.sub('"2026-01-01T00:00:00Z"', json.dumps(body)).replace('"<nodePort>"', "30000")
    obj, _ = decoding.decode(kind, text.encode())
    defaults.apply(kind, obj)
    return obj


def steps() -> Iterator[Any]:
    for group in GROUPS:
        for case in recordings.cases(group):
            live: dict[str, Any] = {}
            for number, (step, answer) in enumerate(zip(case["steps"], case["answers"], strict=True)):
                found = target(step["p"]) if "/namespaces/%" not in step["p"] else None
                body = answer["body"]
                if found is None or not isinstance(body, dict):
                    continue
                key = step["p"].partition("?")[0].split("/")[-1 - bool(found[1])]
                name = body.get("metadata", {}).get("name", "") if body.get("kind") == found[0].kind else ""
                if (
                    step["m"] in ("POST", "PUT", "PATCH")
                    and answer["status"] < 300
                    and name
                    and "dryRun" not in step["p"]
                ):
                    yield f"{case['id']}/{number}", step, live.get(name), body, *found
                elif "apply-patch" in step.get("ct", "") and answer["status"] in (400, 409, 500):
                    yield f"{case['id']}/{number}", step, live.get(key), body, *found
                if name and body.get("apiVersion") == found[0].api_version:
                    live[name] = body


STEPS = list(steps())


def written(step: dict[str, Any], live: Any, kind: Kind) -> Any:
    """The object that a create, update or patch asks for."""
    if step["m"] in ("POST", "PUT"):
        return step["b"]
    patch = step["b"]
    if "json-patch" in step["ct"]:
        return jsonpatch.apply(live, patch)
    if "strategic" in step["ct"]:
        return strategic.apply(live, patch, schema.info(kind.struct))
    return mergepatch.apply(live, patch)


def owners(entries: list[Any] | None) -> dict[str, Any]:
    """Entries by owner. Times are masked in the recordings, and so is the order that follows from them; what the
    server's own controllers write in the meantime is left out."""
    found = [json.loads(msgspec.json.encode(e)) for e in entries or ()]
    return {
        f"{e['manager']} {e['operation']} {e.get('subresource', '')}": e | {"time": "time" in e}
        for e in found
        if e["manager"] != "kube-apiserver"
    }


@pytest.mark.skipif(not STEPS, reason="the recorded conversations are not on this machine")
@pytest.mark.parametrize(
    ("step", "live", "answer", "kind", "subresource"), [s[1:] for s in STEPS], ids=[s[0] for s in STEPS]
)
def test_agrees_with_upstream(step: Any, live: Any, answer: Any, kind: Kind, subresource: str) -> None:
    before = whole(kind, live) if live else None
    options = {"manager": manager(step["p"]), "now": NOW, "subresource": subresource}
    if "apply-patch" in step.get("ct", ""):
        try:
            config, _ = apply.decode(step["b"] if isinstance(step["b"], str) else json.dumps(step["b"]))
            after = apply.apply(kind, before, config, force="force=true" in step["p"], **options)
        except PatchError as error:
            assert (error.code, error.message) == (answer.get("code"), answer.get("message"))
            assert error.details is None or error.details == answer["details"]
            return
    else:
        after = whole(kind, written(step, live, kind))
        after.metadata.namespace = answer["metadata"].get("namespace")
        apply.record(kind, before, after, **options)
    wanted = msgspec.convert(answer["metadata"].get("managedFields", []), list[meta_v1.ManagedFieldsEntry])
    assert owners(after.metadata.managedFields) == owners(wanted)
