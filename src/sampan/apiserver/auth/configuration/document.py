"""A configuration file as a value: bounded, strict, and every mistake told with the field it is in.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sampan.codec.errors import CodecError

GROUP = "apiserver.config.k8s.io"
MAXIMUM_BYTES = 1 << 20
DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that will not do; the message names the file, the fields and what is wrong with each."""


class Mistakes:
    """What is wrong with a document, gathered field by field in upstream's words."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def required(self, field: str, why: str = "") -> None:
        self.found.append(f"{field}: Required value" + (f": {why}" if why else ""))

    def invalid(self, field: str, value: object, why: str) -> None:
        self.found.append(f"{field}: Invalid value: {json.dumps(value, ensure_ascii=False)}: {why}")

    def duplicate(self, field: str, value: str) -> None:
        self.found.append(f"{field}: Duplicate value: {json.dumps(value, ensure_ascii=False)}")

    def unsupported(self, field: str, value: str, known: Sequence[str]) -> None:
        names = ", ".join(f'"{one}"' for one in known)
        self.found.append(
            f"{field}: Unsupported value: {json.dumps(value, ensure_ascii=False)}: supported values: {names}"
        )

    def too_many(self, field: str, count: int, most: int) -> None:
        self.found.append(f"{field}: Too many: {count}: must have at most {most} items")

    def check(self, source: str) -> None:
        """Raises ConfigError when anything was found."""
        if self.found:
            raise ConfigError(f"{source}: " + "; ".join(self.found))


def load(path: Path) -> bytes:
    """The file's bytes. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(data) > MAXIMUM_BYTES:
        raise ConfigError(f"{path}: it is larger than {MAXIMUM_BYTES} bytes")
    return data


def parse(data: bytes, source: str, kind: str, versions: Sequence[str], form: type[T], group: str = GROUP) -> T:
    """The document as a `form`. Raises ConfigError for another kind or version, an unknown field, a wrong type."""
    from sampan.codec import yaml

    try:
        value: Any = yaml.decode(data, strict=True)
    except CodecError as error:
        raise ConfigError(f"{source}: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: want a {kind} of {group}/{versions[0]}")
    if value.get("kind") != kind:
        raise ConfigError(f"{source}: kind: want {kind}, not {json.dumps(value.get('kind'))}")
    if value.get("apiVersion") not in [f"{group}/{version}" for version in versions]:
        known = ", ".join(f"{group}/{version}" for version in versions)
        raise ConfigError(f"{source}: apiVersion: {json.dumps(value.get('apiVersion'))} is not one of {known}")
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_told(str(error))}") from None


def _told(text: str) -> str:
    """msgspec's "what - at `$.path`" with the field first."""
    what, _, place = text.partition(" - at `$.")
    return f"{place.rstrip('`')}: {what}" if place else what


def seconds(text: str) -> float:
    """A duration as Go writes it (`1m30s`). Raises ValueError."""
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text)
    parts = DURATION.findall(rest)
    if rest == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"{text!r} is no duration: write it as 30s or 5m")
    return sign * sum(float(number) * SECONDS[unit] for number, unit in parts)
