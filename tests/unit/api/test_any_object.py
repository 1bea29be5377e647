"""Whatever a client sends is defaulted, judged and encoded, or refused: nothing fails otherwise."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from sampan.api import conversion, decoding, defaults, registry, schema, strategy, validation, warnings

TEXTS = ("", "a", "A B", "a/b", "*", "-x", "x" * 300, "1", "100m", "10.0.0.1", "10.0.0.0/8", "Always", "é\n")
NUMBERS = (-1, 0, 1, 80, 2**31 - 1)
SCALARS: dict[str, Any] = {
    "string": TEXTS,
    "integer": NUMBERS,
    "number": (0.5, 1),
    "boolean": (True, False),
    "Quantity": ("0", "1", "100m", "1Gi", "-1"),
    "IntOrString": (0, 80, "25%", "http", ""),
    "Time": ("2026-01-01T00:00:00Z",),
    "MicroTime": ("2026-01-01T00:00:00.000000Z",),
}
DEPTH = 7
KINDS = list(registry.builtin().kinds())


def any_object(info: schema.TypeInfo, rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """A JSON object with some of the fields of a definition; fewer the deeper it is."""
    share = 0.6 if depth < 2 else 0.35
    chosen = [f for f in info.fields.values() if f.name not in ("kind", "apiVersion") and rng.random() < share]
    return {field.name: any_value(field, rng, depth) for field in chosen}


def any_value(field: schema.Field, rng: random.Random, depth: int) -> Any:
    if rng.random() < 0.03:
        return None
    if field.shape == "json":
        return rng.choice(({}, {"a": 1}, True))
    if field.shape == "list":
        return [any_item(field, rng, depth) for _ in range(rng.randint(0, 2))]
    if field.shape == "map":
        return {rng.choice(TEXTS): any_item(field, rng, depth) for _ in range(rng.randint(0, 2))}
    return any_item(field, rng, depth)


def any_item(field: schema.Field, rng: random.Random, depth: int) -> Any:
    if field.type is not None:
        return any_object(field.type, rng, depth + 1) if depth < DEPTH else {}
    return rng.choice(SCALARS.get(field.scalar, ({},)))


def decoded(kind: registry.Kind, document: dict[str, Any]) -> Any:
    """The object with its defaults; None when it is refused."""
    try:
        obj, _ = decoding.decode(kind, msgspec.json.encode(document))
        defaults.apply(kind, obj)
    except (msgspec.DecodeError, ValueError):
        return None
    return obj


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.group}.{k.version}.{k.kind}")
def test_any_object(kind: registry.Kind) -> None:
    rng = random.Random(f"{kind.api_version} {kind.kind}")
    info = schema.info(kind.struct)
    for _ in range(12):
        old, new = any_object(info, rng), any_object(info, rng)
        made, before = decoded(kind, new), decoded(kind, old)
        if made is None or before is None or made.metadata is None:
            continue
        strategy.prepare_create(kind, made)
        validation.create(kind, made)
        warnings.create(kind, made)
        conversion.from_stored(kind, conversion.to_stored(kind, made))
        kind.encode(made)
        for subresource in ("", *kind.subresources):
            after, previous = decoded(kind, new), decoded(kind, old)
            strategy.prepare_update(kind, after, previous, subresource, now=0.0)
            validation.update(kind, after, previous, subresource)
            kind.encode(after)
