"""Objects with known fields, for expressions: `user.groups` is checked when compiled, `user.grups` is refused.

Such a type is a protobuf message made at run time. Fields that are not set read as their empty value, and `has()` is
false of them, as of Go's structs with `omitempty` upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STRING, BOOLEAN, MESSAGE = 9, 8, 11
OPTIONAL, REPEATED = 1, 3
SCALARS = {"string": STRING, "bool": BOOLEAN}
VALUES = ".google.protobuf.ListValue"

Fields = Mapping[str, str]
"""Name to type: `string`, `bool`, the name of another message, either in `[]` for a list, or `{[string]}` for a map of
strings to lists of strings."""


class Messages:
    """The messages of one package, by name; `build(name, {...})` makes one."""

    def __init__(self, package: str, messages: Mapping[str, Fields]) -> None:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

        self._package = package
        file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
        file.dependency.append(struct_pb2.DESCRIPTOR.name)
        for name, fields in messages.items():
            message = file.message_type.add(name=name)
            for number, (field, kind) in enumerate(fields.items(), 1):
                _add(message, package, field, number, kind)
        pool = descriptor_pool.Default()
        try:
            pool.FindFileByName(file.name)
        except KeyError:
            pool.AddSerializedFile(file.SerializeToString())
        self._classes: dict[str, Any] = {
            name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages
        }
        self._fields = messages

    def type(self, name: str) -> str:
        """The name of the message's type, for `Environment`."""
        return f"{self._package}.{name}"

    def build(self, name: str, values: Mapping[str, Any]) -> Any:
        """A message with these values (plain Python ones); None and empty ones are left out."""
        made = self._classes[name]()
        for field, value in values.items():
            if value:
                self._set(made, field, self._fields[name][field], value)
        return made

    def _set(self, made: Any, field: str, kind: str, value: Any) -> None:
        plain = kind.strip("[]{}")
        if kind.startswith("{"):
            for key, items in value.items():
                getattr(made, field)[key].extend(list(items))
        elif kind.startswith("["):
            items = value if plain in SCALARS else [self.build(plain, one) for one in value]
            getattr(made, field).extend(items)
        elif plain in SCALARS:
            setattr(made, field, value)
        else:
            getattr(made, field).CopyFrom(self.build(plain, value))
            getattr(made, field).SetInParent()


def _add(message: Any, package: str, name: str, number: int, kind: str) -> None:
    plain = kind.strip("[]{}")
    label = REPEATED if kind[0] in "[{" else OPTIONAL
    if kind[0] == "{":
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=STRING, label=OPTIONAL)
        entry.field.add(name="value", number=2, type=MESSAGE, label=OPTIONAL, type_name=VALUES)
        own = f".{package}.{message.name}.{entry.name}"
        message.field.add(name=name, number=number, type=MESSAGE, label=REPEATED, type_name=own)
    elif plain in SCALARS:
        message.field.add(name=name, number=number, type=SCALARS[plain], label=label)
    else:
        message.field.add(name=name, number=number, type=MESSAGE, label=label, type_name=f".{package}.{plain}")
