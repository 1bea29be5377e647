"""The gRPC health check (grpc.health.v1): one call, whose two messages are short enough to be written by hand."""

from __future__ import annotations

from sampan.aio.clock import Clock
from sampan.aio.grpc import Channel, Code, RpcError
from sampan.codec.protobuf.wire import written

PROTOCOL = "grpc.health.v1.Health"
ANSWER_BYTES = 4096
STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
SERVING = 1
REASONS = {
    Code.UNIMPLEMENTED: f"error: this server does not implement the grpc health protocol ({PROTOCOL}): {{text}}",
    Code.DEADLINE_EXCEEDED: "timeout: health rpc did not complete within {seconds:g}s",
}
OTHER = "error: health rpc probe failed: {text}"


async def check(host: str, port: int, service: str, seconds: float, clock: Clock) -> str:
    """What is wrong with the service, "" when it serves."""
    channel = Channel(host, port, tls=None, clock=clock, most=ANSWER_BYTES)
    began = clock.monotonic()
    try:
        if not await channel.connect(seconds):
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            return f'timeout: failed to connect service "{address}" within {seconds:g}s: {channel.reason}'
        left = max(seconds - (clock.monotonic() - began), 0.0)
        call = channel.unary(f"/{PROTOCOL}/Check", request(service), seconds=left)
        answer = await clock.wait_for(call, left)
    except TimeoutError:
        return REASONS[Code.DEADLINE_EXCEEDED].format(seconds=seconds)
    except RpcError as error:
        return REASONS.get(error.code, OTHER).format(seconds=seconds, text=error.details)
    finally:
        await channel.close()
    state = status(answer)
    return "" if state == SERVING else f'service unhealthy (responded with "{STATES.get(state, state)}")'


def request(service: str) -> bytes:
    """HealthCheckRequest: field 1, the service's name; none for the server as a whole."""
    name = service.encode()
    return b"\x0a" + written(len(name)) + name if name else b""


def status(answer: bytes) -> int:
    """Field 1 of a HealthCheckResponse, 0 when it is absent."""
    return answer[1] if len(answer) >= 2 and answer[0] == 0x08 else 0
