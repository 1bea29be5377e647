"""The gRPC health check (grpc.health.v1): one call, whose two messages are short enough to be written by hand."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

METHOD = "/grpc.health.v1.Health/Check"
OPTIONS = [("grpc.enable_http_proxy", 0)]
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
SERVING = 1
REASONS = {
    grpc.StatusCode.UNIMPLEMENTED: "error: this server does not implement the grpc health protocol ({method}): {text}",
    grpc.StatusCode.DEADLINE_EXCEEDED: "timeout: health rpc did not complete within {seconds:g}s",
    grpc.StatusCode.UNAVAILABLE: 'timeout: failed to connect service "{address}" within {seconds:g}s: {text}',
}
OTHER = "error: health rpc probe failed: {text}"


async def check(address: str, service: str, seconds: float) -> str:
    """What is wrong with the service at `address`, "" when it serves."""
    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        call: Any = channel.unary_unary(METHOD)
        try:
            answer = await call(request(service), timeout=seconds)
        except grpc.aio.AioRpcError as error:
            reason = REASONS.get(error.code(), OTHER)
            return reason.format(method="grpc.health.v1.Health", address=address, seconds=seconds, text=error.details())
    state = status(answer)
    return "" if state == SERVING else f'service unhealthy (responded with "{STATES.get(state, state)}")'


def request(service: str) -> bytes:
    """HealthCheckRequest: field 1, the service's name; none for the server as a whole."""
    name = service.encode()
    return b"\x0a" + varint(len(name)) + name if name else b""


def status(answer: bytes) -> int:
    """Field 1 of a HealthCheckResponse, 0 when it is absent."""
    return answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0


def varint(number: int) -> bytes:
    """Protocol Buffers' base-128 form of a number below 16,384."""
    return bytes((number,)) if number < 0x80 else bytes((number & 0x7F | 0x80, number >> 7))
