"""How calls end: gRPC's status codes (https://grpc.io/docs/guides/status-codes/)."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call that failed. `untouched` says that the server certainly has not acted on it."""

    def __init__(self, code: Code, details: str, *, untouched: bool = False) -> None:
        super().__init__(f"{code.name}: {details}" if details else code.name)
        self.code = code
        self.details = details
        self.untouched = untouched


class TooLarge(RpcError):
    """An answer that was not taken: ask for less of it."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(Code.RESOURCE_EXHAUSTED, f"the answer has {size} bytes, of which {most} are taken")
