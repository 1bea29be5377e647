"""From tables to functions that make an object of one kind whole.

Three things happen to an object between decoding and validation: fields get their defaults, fields that upstream
always shows are filled in, and zero values that upstream forgets are dropped (`sampan.api.schema.presence` has the
rules). Empty lists and maps go later, see `sampan.api.schema.compact`. All three walk the same tree, so they are one
walk; and as it is on the way of every write, a function is generated for each Struct, from the schema and the tables,
that does only what that Struct needs, with plain attribute access. A Struct that needs nothing has no function and
its parents do not visit it. Generated functions look like this:

    def core_v1_ContainerPort(o):
        if o.hostPort == 0: o.hostPort = None
        if o.name == "": o.name = None
        if not o.protocol: o.protocol = c0

The order within one Struct: its own fields, then its hook (what depends on several fields), then what it holds.
Times and quantities become canonical on the way; one that cannot be read raises ValueError in upstream's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sampan.api import schema
from sampan.api.quantity import canonical
from sampan.api.schema import presence
from sampan.api.times import canonical_micro_time, canonical_time

Hook = Callable[[Any], None]
Function = Callable[[Any], None]
ZEROS: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "Quantity": "0", "IntOrString": 0}
NULLABLE = ("Time", "MicroTime")
"""Scalars that may be null inside a map: a time that is not set."""
CANONICAL = {"Quantity": "canonical", "Time": "canonical_time", "MicroTime": "canonical_micro_time"}


class Compiler:
    """Makes and keeps the functions; `hooks` and `constants` are by definition, as in `core_v1.Pod`."""

    def __init__(self, *, hooks: dict[str, Hook], constants: dict[str, dict[str, Any]]) -> None:
        self._hooks = hooks
        self._constants = constants
        self._functions: dict[str, str | None] = {}
        self._globals: dict[str, Any] = {
            "canonical": canonical,
            "canonical_time": canonical_time,
            "canonical_micro_time": canonical_micro_time,
        }

    def function(self, struct: type) -> Function | None:
        """What makes an object of this Struct whole; None when there is nothing to do."""
        name = self._compile(schema.info(struct))
        return self._globals[name] if name else None

    def _compile(self, info: schema.TypeInfo) -> str | None:
        name = f"{schema.namespace_of(info.definition)}.{info.name}"
        if name not in self._functions:
            self._functions[name] = identifier = name.replace(".", "_")
            lines = list(self._lines(name, info))
            if not lines:
                self._functions[name] = None
            else:
                source = "\n    ".join([f"def {identifier}(o):", *lines])
                exec(compile(source, f"<defaults of {name}>", "exec"), self._globals)
        return self._functions[name]

    def _lines(self, name: str, info: schema.TypeInfo) -> Iterator[str]:
        plan = Plan(name, info, self._constants.get(name, {}))
        for field in info.fields.values():
            yield from self._own(plan, field)
        if hook := self._hooks.get(name):
            yield f"{self._constant(hook)}(o)"
        for field in info.fields.values():
            yield from self._held(plan, field)

    def _own(self, plan: Plan, field: schema.Field) -> Iterator[str]:
        """The lines for a field's own value."""
        at = f"o.{field.attribute}"
        if field.name in plan.constants:
            absent = f"not {at}" if plan.forgets(field) or field.shape in ("list", "map") else f"{at} is None"
            yield f"if {absent}: {at} = {self._fresh(field, plan.constants[field.name])}"
        elif field.shape == "object":
            if plan.value(field):
                yield f"if {at} is None: {at} = {self._constant(field.type.struct)}()"  # type: ignore[union-attr]
        elif plan.shown(field):
            yield f"if {at} is None: {at} = {ZEROS[field.scalar]!r}"
        elif field.name in plan.identity:
            yield f"if not {at}: {at} = {plan.identity[field.name]!r}"
        elif plan.forgets(field):
            yield f'if {at} == "": {at} = None' if field.scalar == "string" else f"if {at} == 0: {at} = None"

    def _held(self, plan: Plan, field: schema.Field) -> Iterator[str]:
        """The lines that walk into what a field holds, and make its scalars canonical."""
        at = f"o.{field.attribute}"
        function = self._compile(field.type) if field.type else CANONICAL.get(field.scalar)
        if function is None:
            return
        if field.shape == "scalar":
            yield f"if {at} is not None: {at} = {function}({at})"
        elif field.shape == "object":
            yield f"{function}({at})" if plan.value(field) else f"if {at} is not None: {function}({at})"
        elif field.shape == "list":
            each = f"for i in {at}: {function}(i)" if field.type else f"{at} = [{function}(i) for i in {at}]"
            yield f"if {at}:"
            yield f"    {each}"
        elif field.shape == "map":
            yield f"if {at}:"
            each = f"{function}(v)" if field.type else f"{at}[k] = {function}(v)"
            nullable = "if v is not None: " if field.scalar in NULLABLE else ""
            yield f"    for k, v in {at}.items():"
            yield f"        {nullable}{each}"

    def _fresh(self, field: schema.Field, value: Any) -> str:
        """The source of a default; containers and objects are made anew each time."""
        if field.shape == "object":
            return f"{self._constant(field.type.struct)}()"  # type: ignore[union-attr]
        return repr(value)

    def _constant(self, value: Any) -> str:
        name = f"{getattr(value, '__module__', '')}_{value.__name__}".replace(".", "_")
        self._globals[name] = value
        return name


class Plan:
    """What the presence rules say of the fields of one definition."""

    def __init__(self, name: str, info: schema.TypeInfo, constants: dict[str, Any]) -> None:
        self.constants = constants
        self._name = name
        self.identity: dict[str, str] = {}
        if len(info.kinds) == 1:
            group, version, kind = info.kinds[0]
            self.identity = {"kind": kind, "apiVersion": f"{group}/{version}" if group else version}
        self._values = presence.of(presence.VALUES, name)
        self._hidden = presence.of(presence.HIDDEN, name)
        self._shown = presence.of(presence.SHOWN, name)
        self._pointers = presence.of(presence.POINTER_STRINGS, name)
        self._scalars = presence.of(presence.VALUE_SCALARS, name)

    def value(self, field: schema.Field) -> bool:
        """The field holds its object by value, so it always shows."""
        return field.name == "metadata" or field.name in self._values or self._required(field)

    def shown(self, field: schema.Field) -> bool:
        """The field shows its zero when absent."""
        if field.scalar not in ZEROS or field.shape != "scalar":
            return False
        return field.name in self._shown or self._required(field)

    def forgets(self, field: schema.Field) -> bool:
        """The field is left out when zero."""
        if field.shape != "scalar" or field.name in self._shown or self._required(field) or field.format == "byte":
            return False
        if field.scalar == "string":
            return field.name not in self._pointers
        return field.name in self._scalars

    def _required(self, field: schema.Field) -> bool:
        return field.required and field.name not in self._hidden
