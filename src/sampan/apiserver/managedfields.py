"""The `own` stage: who owns which field, recorded in metadata.managedFields on every write (KEP-555).

The algebra of field sets is `sampan.codec.apply`; here it is told which manager, operation, version and subresource a
request stands for.
"""

from __future__ import annotations

from typing import Any

from sampan.apiserver.request import Request
from sampan.apiserver.write import Write


def record(write: Write) -> None:
    """Update `write.new.metadata.managedFields` for what this write changes."""


def configuration(request: Request) -> Any:
    """The applied configuration in the body of an apply request. Raises BadRequest."""
    from sampan.apiserver import decode

    return decode.body(request, request.kind)


def apply(request: Request, old: Any, applied: Any, *, force: bool) -> Any:
    """`old` (None: there is none yet) with the configuration applied. Raises Conflict for fields that others own."""
    raise NotImplementedError
