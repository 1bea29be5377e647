"""What can go wrong at the runtime, by what the caller should do about it."""

from __future__ import annotations


class RuntimeFailure(Exception):
    """The runtime answered with an error; `message` is its own text and `code` the gRPC code's name, "" where it is
    none of gRPC's."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    @property
    def told(self) -> str:
        """As gRPC's Go library words it, which is what events of a kubelet show."""
        if not self.code:
            return self.message
        return f"rpc error: code = {self.code.title().replace('_', '')} desc = {self.message}"


class RuntimeUnavailable(RuntimeFailure):
    """Nobody answers at the runtime's socket: try again later, nothing is known about the containers."""


class RuntimeNotFound(RuntimeFailure):
    """The sandbox, container or image does not exist there."""


class RuntimeTimeout(RuntimeFailure):
    """The call took longer than its deadline; what it started may still happen."""


class RuntimeUnsupported(RuntimeFailure):
    """This runtime does not know the call."""


class ImageFailure(RuntimeFailure):
    """An image could not be built or imported."""
