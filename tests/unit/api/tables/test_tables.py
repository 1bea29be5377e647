"""Every kind has a table that fits its columns; the cells are those that upstream showed."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api import registry, tables
from sampan.api.registry import Kind
from sampan.codec import table

BUILTIN = registry.builtin()
STORED = [k for k in BUILTIN.kinds() if "list" in k.verbs]
RECORDED = Path("/work/shared/reference/behaviour")
ROUNDTRIP = Path("/work/shared/reference/roundtrip")
NOW = 1_800_000_000.0
MASK = re.compile(r"\d+[smhdy](\d+[smhd])?|10\.96\..*|\d{4}-\d\d-\d\dT.*|<(volatile|time|unknown|invalid|clusterIP)>")


def extra(kind: Kind) -> bool:
    """Upstream gives rows of IPAddress an age and no column for it, and so do we."""
    return kind.kind == "IPAddress"


def identify(kind: Kind) -> str:
    return f"{kind.api_version}-{kind.kind}"


@pytest.mark.parametrize("kind", STORED, ids=identify)
def test_an_empty_object_fills_every_column(kind: Kind) -> None:
    obj = kind.decode(b'{"metadata":{"name":"x","creationTimestamp":"2026-01-01T00:00:00Z"}}')
    columns, cells = table.columns(kind), table.row(kind, obj, NOW)
    assert len(columns) == len(cells) - extra(kind)
    assert "x" in cells
    assert None not in cells
    assert sum(c.format == "name" for c in columns) or kind.kind == "StorageVersionMigration"


def test_tables_name_kinds_and_fields_that_exist() -> None:
    known = {(k.group, k.kind) for k in BUILTIN.kinds()} | {("autoscaling", "Scale")}
    for group in tables.MODULES:
        for name in tables._tables(group):
            assert (group, name) in known
    for kind in STORED:
        for column, definition in zip(table.columns(kind), tables.find(kind.group, kind.kind).columns, strict=True):
            assert bool(definition.field or definition.text) == bool(column.description), column


def test_a_completed_pod_says_so() -> None:
    kind = BUILTIN.kind("v1", "Pod")
    done = kind.decode(b'{"metadata":{"name":"x"},"status":{"phase":"Succeeded"}}')
    assert [c["type"] for c in table.conditions(kind, done)] == ["Completed"]
    assert table.conditions(kind, kind.decode(b'{"metadata":{"name":"x"}}')) == []


@pytest.mark.skipif(not ROUNDTRIP.exists(), reason="the reference data is not on this machine")
@pytest.mark.parametrize("kind", STORED, ids=identify)
def test_a_full_object_fills_every_column(kind: Kind) -> None:
    found = list(ROUNDTRIP.glob(f"{kind.group or 'core'}.{kind.version}.{kind.kind}.json"))
    if not found:
        pytest.skip("no such object in the reference data")
    cells = table.row(kind, kind.decode(found[0].read_bytes().replace(b": null", b': "2026-01-01T00:00:00Z"')), NOW)
    assert len(cells) - extra(kind) == len(table.columns(kind))


def recorded() -> Iterator[tuple[str, Kind, dict[str, Any], dict[str, Any]]]:
    for path in sorted(RECORDED.glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            for line in lines:
                yield from shown(json.loads(line))


def shown(case: dict[str, Any]) -> Iterator[tuple[str, Kind, dict[str, Any], dict[str, Any]]]:
    objects: dict[str, dict[str, Any]] = {}
    for number, answer in enumerate(case["answers"]):
        body = answer["body"]
        if not isinstance(body, dict):
            continue
        if body.get("kind") == "Table":
            for row in body.get("rows") or []:
                obj = objects.get(row["object"]["metadata"]["name"]) if row.get("object") else None
                if obj is not None:
                    yield f"{case['id']}/{number}", BUILTIN.kind(obj["apiVersion"], obj["kind"]), body, obj | {"": row}
        elif body.get("metadata", {}).get("name") and "meta.k8s.io" not in body["apiVersion"]:
            objects[body["metadata"]["name"]] = body


ROWS = list(recorded())


@pytest.mark.skipif(not ROWS, reason="the recorded conversations are not on this machine")
@pytest.mark.parametrize(("kind", "body", "obj"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_agrees_with_upstream(kind: Kind, body: dict[str, Any], obj: dict[str, Any]) -> None:
    row = obj.pop("")
    if body.get("columnDefinitions"):
        assert json.loads(msgspec.json.encode(table.columns(kind))) == body["columnDefinitions"]
    text = (
        json.dumps(obj).replace("<creationTimestamp>", "2026-01-01T00:00:00Z").replace("<time>", "2026-01-01T00:00:00Z")
    )
    cells = table.row(kind, kind.decode(text), NOW)
    assert [masked(c) for c in cells] == [masked(c) for c in row["cells"]]
    obj[""] = row


def masked(cell: Any) -> Any:
    return "<masked>" if isinstance(cell, str) and MASK.fullmatch(cell) else cell
