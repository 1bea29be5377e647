"""The socket that device plugins register at. What is wrong with a registration is told to the plugin."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from sampan.kubelet.devices.manager import Devices

log = logging.getLogger(__name__)
SOCKET = "kubelet.sock"
VERSIONS = ("v1beta1",)
RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def problem(version: str, endpoint: str, resource: str) -> str:
    """What is wrong with a registration; "" for nothing."""
    if version not in VERSIONS:
        return f"requested API version {version!r} is not supported by kubelet. Supported versions are {list(VERSIONS)}"
    if not RESOURCE.fullmatch(resource) or resource.partition("/")[0].endswith("kubernetes.io"):
        return f"the ResourceName {resource!r} is invalid"
    if not endpoint or "/" in endpoint or endpoint in (".", "..", SOCKET):
        return f"the endpoint {endpoint!r} is no name of a socket beside the kubelet's"
    return ""


class RegistrationServer:
    """Listens in the folder of `devices`. Plugins see the socket come, and register again with a new kubelet."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._server: Any = None

    async def start(self) -> None:
        clear(self._devices.folder)
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            self._register, request_deserializer=decoded, response_serializer=encoded
        )
        service = grpc.method_handlers_generic_handler("v1beta1.Registration", {"Register": handler})
        self._server.add_generic_rpc_handlers((service,))
        self._server.add_insecure_port(f"unix://{self._devices.folder / SOCKET}")
        await self._server.start()

    async def close(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    async def _register(self, request: Any, context: Any) -> Any:
        from sampan.kubelet.devices.messages import pb

        wrong = problem(request.version, request.endpoint, request.resource_name)
        if wrong:
            log.warning("a device plugin is refused why=%s", wrong)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, wrong)
        log.info("a device plugin came resource=%s endpoint=%s", request.resource_name, request.endpoint)
        self._devices.register(request.resource_name, request.endpoint, request.options)
        return pb.Empty()


def decoded(data: bytes) -> Any:
    from sampan.kubelet.devices.messages import pb

    return pb.RegisterRequest.FromString(data)


def encoded(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def clear(folder: Path) -> None:
    """Takes away the sockets of former times: plugins that live notice it and come again."""
    for path in folder.iterdir():
        if path.is_socket():
            path.unlink(missing_ok=True)
