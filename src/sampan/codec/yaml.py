"""YAML to JSON values and back, as upstream's YAML library reads it.

libyaml gives the events; the values are made here, because PyYAML and upstream disagree on what a plain scalar means
(`1:30` is a text upstream and 90 in PyYAML; `1e3`, `y` and dates differ too) and because the events are where a bomb
can be stopped: nesting is bounded, and so is the number of nodes that aliases may multiply a document into.
"""

from __future__ import annotations

import re
from typing import Any

import yaml as library

from sampan.codec import golang, json
from sampan.codec.errors import REPEATED, CodecError

MAXIMUM_DEPTH = 200
MAXIMUM_NODES = 250_000
MAXIMUM_ALIASED_NODES = 100_000
TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
NULL = frozenset(("", "~", "null", "Null", "NULL"))
INTEGER = re.compile(r"[-+]?(0b[01]+|0o?[0-7]*|0x[0-9a-fA-F]+|[1-9][0-9]*)$", re.ASCII)
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", re.ASCII)
TAG = "tag:yaml.org,2002:"
_LOADER: Any = getattr(library, "CSafeLoader", library.SafeLoader)
_DUMPER: Any = getattr(library, "CSafeDumper", library.SafeDumper)


def decode(data: bytes | str, *, strict: bool = False) -> Any:
    """The JSON value of the first document in `data`; with `strict`, a key that occurs twice is an error.

    CodecError ("yaml: line 3: ...") for anything that is not YAML, not UTF-8, too deep or too large once its aliases
    are expanded.
    """
    value, repeated = decode_telling(data, tell=strict)
    if repeated:
        raise CodecError(REPEATED + "\n".join(repeated))
    return value


def decode_telling(data: bytes | str, *, tell: bool = True) -> tuple[Any, list[str]]:
    """As `decode`, and a line for each key that occurs again in one map (`  line 2: key "a" already set in map`)."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
    except UnicodeDecodeError:
        raise CodecError("yaml: invalid UTF-8") from None
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = json.decode(text)
            if not tell or not json.duplicates(text):
                return value, []
        except CodecError:
            pass  # it is YAML in flow style, or it is neither, which the YAML parser says better
    try:
        return _Composer(library.parse(text, Loader=_LOADER), tell=tell).document()
    except library.YAMLError as error:
        raise CodecError(_message(error)) from None


def _message(error: library.YAMLError) -> str:
    """libyaml's complaint in the form of upstream's YAML library, with its way of counting lines."""
    problem = getattr(error, "problem", None) or "unknown problem parsing YAML content"
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    line = 0
    if mark is not None and mark.line:
        line = mark.line + isinstance(error, library.scanner.ScannerError)
    elif context is not None:
        line = context.line
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"


class _Composer:
    """Makes values out of parser events, one method a node."""

    def __init__(self, events: Any, *, tell: bool) -> None:
        self._events = events
        self._tell = tell
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = self._aliased = 0
        self._twice: list[str] = []

    def document(self) -> tuple[Any, list[str]]:
        for event in self._events:
            if isinstance(event, library.DocumentStartEvent):
                return self._node(next(self._events), 0), self._twice
        return None, []

    def _node(self, event: Any, depth: int) -> Any:
        if depth > MAXIMUM_DEPTH:
            raise CodecError(f"yaml: exceeded max depth of {MAXIMUM_DEPTH}")
        self._count(1)
        if isinstance(event, library.AliasEvent):
            return self._alias(event)
        before = self._nodes
        if isinstance(event, library.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, library.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._mapping(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._nodes - before + 1)
        return value

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAXIMUM_NODES:
            raise CodecError("yaml: document is too large")

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise CodecError(f"yaml: unknown anchor '{event.anchor}' referenced")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        self._count(size)
        if self._aliased > MAXIMUM_ALIASED_NODES:
            raise CodecError("yaml: document contains excessive aliasing")
        return value

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := next(self._events), library.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, start: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), library.MappingEndEvent):
            merge = isinstance(event, library.ScalarEvent) and event.value == "<<" and event.implicit[0]
            line = event.start_mark.line + 1
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if merge:
                merged = _merge_value(value) | merged
                continue
            name = _key(key)
            if name in found and self._tell:
                self._twice.append(f"  line {line}: key {golang.quoted(name)} already set in map")
            found[name] = value
        return merged | found if merged else found


def _merge_value(value: Any) -> dict[str, Any]:
    """What `<<: value` brings in: a map, or several of which the first wins."""
    maps = value if isinstance(value, list) else [value]
    if not all(isinstance(m, dict) for m in maps):
        raise CodecError("yaml: map merge requires map or sequence of maps as the value")
    return {k: v for m in reversed(maps) for k, v in m.items()}


def _key(key: Any) -> str:
    """A map key as JSON spells it."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, dict | list):
        raise CodecError(f"error converting YAML to JSON: unsupported map key {golang.plain(key)}")
    return golang.plain(key)


def _scalar(event: Any) -> Any:
    tag = event.tag or ""
    if tag and tag != "!" and not tag.startswith(TAG):
        return event.value
    short = tag.removeprefix(TAG)
    if short == "str" or ((not short or short == "!") and not event.implicit[0]):
        return event.value
    if short == "binary":
        return "".join(event.value.split())
    return plain_scalar(event.value)


def plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar: null, bool, int, float or the text itself, as upstream resolves it."""
    if text in NULL:
        return None
    first = text[0]
    if first in "yYnNtTfFoO":
        return True if text in TRUE else False if text in FALSE else text
    if first not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    if INTEGER.match(digits):
        number = _integer(digits)
        return number if -(2**63) <= number < 2**64 else _number(float(number))
    if FLOAT.match(digits):
        return _number(float(digits))
    return text


def _number(value: float) -> int | float:
    """A float as JSON would print and read it: 1.0 is 1."""
    if value in (float("inf"), float("-inf")):
        raise CodecError("yaml: number out of range")
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _integer(digits: str) -> int:
    sign = -1 if digits[0] == "-" else 1
    body = digits.lstrip("+-")
    if len(body) > 400:
        raise CodecError("yaml: number out of range")
    if body.startswith("0") and len(body) > 1 and body[1] in "01234567":
        return sign * int(body, 8)
    return sign * int(body, 0)


def encode(value: Any) -> str:
    """Block-style YAML with sorted keys, as upstream writes it: texts quoted only where they would be read as
    something else, texts of several lines as literal blocks."""
    return str(library.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=2**31 - 1))


class _Dumper(_DUMPER):
    """Writes a text so that both upstream and PyYAML read it as a text; never writes anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text:
        style = "|"
    elif plain_scalar(text) is not text or text in ("<<", "="):
        style = '"'
    return dumper.represent_scalar(f"{TAG}str", text, style=style)


_Dumper.add_representer(str, _represent)
