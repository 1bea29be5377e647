"""The `own` stage: who owns which field, recorded in metadata.managedFields on every write (KEP-555).

The algebra of field sets is `sampan.codec.apply`; here it is told which manager and subresource a request stands for.
"""

from __future__ import annotations

from typing import Any

from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.apiserver import strictness
from sampan.apiserver.request import Request
from sampan.apiserver.write import Write
from sampan.codec import apply as codec

LONGEST = 128


def record(write: Write) -> None:
    """Update `write.new.metadata.managedFields` for what this write changes. An apply has done so already."""
    if write.applied:
        return
    codec.record(
        write.kind,
        write.old,
        write.new,
        manager=write.manager,
        now=write.request.server.clock.now(),
        subresource=write.subresource,
    )


def check_manager(request: Request) -> None:
    """`fieldManager` is printable and not too long. Raises Invalid."""
    name = request.parameter("fieldManager")
    wrong = []
    if len(name) > LONGEST:
        wrong.append(FieldError(errors.TOO_LONG, "fieldManager", f"Too long: may not be more than {LONGEST} bytes"))
    for index, character in enumerate(name):
        if not character.isprintable():
            shown = f"Invalid value: {quoted(name)}: invalid character U+{ord(character):04X} (at position {index})"
            wrong.append(FieldError(errors.INVALID, "fieldManager", shown))
    if wrong:
        verb = {"create": "CreateOptions", "update": "UpdateOptions"}.get(request.target.verb, "PatchOptions")
        raise errors.invalid("meta.k8s.io", verb, "", wrong)


def quoted(text: str) -> str:
    """A text as Go's %q writes it."""
    from sampan.codec import golang

    return golang.quoted(text)


def configuration(request: Request) -> dict[str, Any]:
    """The configuration in the body of an apply request; warns of keys that it says twice. Raises CodecError."""
    strict = strictness.asked(request)
    config, repeated = codec.decode(request.exchange.body, strict=strict == strictness.STRICT)
    if repeated and strict == strictness.WARN:
        strictness.warn(request, strictness.in_yaml(repeated, []))
    return config


def apply(request: Request, old: Any, wanted: dict[str, Any], *, force: bool) -> Any:
    """`old` (None: there is none yet) with the configuration applied. Raises CodecError; 409 for what others own."""
    return codec.apply(
        request.kind,
        old,
        wanted,
        manager=request.parameter("fieldManager"),
        now=request.server.clock.now(),
        force=force,
        subresource=request.target.subresource,
    )
