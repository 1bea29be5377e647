"""Probes and hooks against real containers; those by HTTPS, HTTP and gRPC ask a server of the test's own."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from aiohttp import web

from sampan.aio.clock import parse_timestamp
from sampan.api.kinds import core_v1
from sampan.network.ingress.certificate import self_signed

from .harness import Node, eventually

STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"


class World:
    """What the probes ask: paths that were asked for by HTTP and HTTPS, and whether the gRPC service is well."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.well = True
        self.http = self.https = self.grpc = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.scheme} {request.path} {request.headers['User-Agent']}")
        return web.Response(text="fine")

    async def check(self, request: bytes, context: Any) -> bytes:
        return b"\x08\x01" if self.well else b"\x08\x02"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World()
    pem = tmp_path / "server.pem"
    pem.write_bytes(self_signed("somebody.else", time.time()))
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secured.load_cert_chain(pem)
    runner = web.ServerRunner(web.Server(made.answer), shutdown_timeout=0.1)
    await runner.setup()
    for context in (None, secured):
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.http, made.https = (address[1] for address in runner.addresses)
    method = grpc.unary_unary_rpc_method_handler(made.check)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    made.grpc = server.add_insecure_port("0.0.0.0:0")
    await server.start()
    yield made
    await server.stop(0)
    await runner.cleanup()


def shell(script: str, name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-c", script], **more}


async def test_https_and_grpc_probes_and_a_grace_of_their_own(node: Node, world: World) -> None:
    """The certificate is nobody's they know. What a failed probe grants is what the container gets, not the pod's."""
    # It brings the bridge, whose address is the node's.
    node.pod("neighbour", containers=[shell("sleep 1000")], terminationGracePeriodSeconds=1)
    await node.running("neighbour")
    get = {"host": "127.0.0.1", "port": world.https, "scheme": "HTTPS", "path": "/well"}
    rhythm = {"periodSeconds": 1, "timeoutSeconds": 20, "failureThreshold": 1}
    liveness = {"grpc": {"port": world.grpc}, "terminationGracePeriodSeconds": 1, **rhythm}
    node.pod(
        hostNetwork=True,
        terminationGracePeriodSeconds=1000,
        containers=[shell(STUBBORN, readinessProbe={"httpGet": get, **rhythm}, livenessProbe=liveness)],
    )
    await node.running()
    assert world.asked[0] == "https /well kube-probe/1.36"
    assert node.container().restartCount == 0
    world.well, began = False, time.monotonic()
    await eventually(lambda: node.container().lastState.terminated is not None)
    assert time.monotonic() - began < 15.0
    assert node.container().lastState.terminated.exitCode == 137
    world.well = True
    wanted = 'Unhealthy: Liveness probe failed: service unhealthy (responded with "NOT_SERVING")'
    assert wanted in node.events()
    await node.running()
    await node.api.delete(type(node.get()), "p", "default", grace_period_seconds=1)
    await node.gone()


async def test_delays_and_thresholds(node: Node) -> None:
    """The first look after its delay; so many good answers on end make ready, so many bad ones restart, one between
    them begins the count anew."""
    shared = node.folder / "probed"
    volume = {"name": "v", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}
    asked = "echo x >> /v/{0}; n=$(wc -l < /v/{0}); "
    ready = {"initialDelaySeconds": 2, "successThreshold": 3, "periodSeconds": 1}
    live = {"failureThreshold": 3, "periodSeconds": 1}
    # Bad twice, good once, then bad.
    probes = {
        "readinessProbe": {"exec": {"command": ["sh", "-c", asked.format("ready") + "exit 0"]}, **ready},
        "livenessProbe": {"exec": {"command": ["sh", "-c", asked.format("live") + "test $n = 3"]}, **live},
    }
    script = "rm -f /v/live; exec sleep 1000"
    mounts = [{"name": "v", "mountPath": "/v"}]
    node.pod(
        terminationGracePeriodSeconds=0, volumes=[volume], containers=[shell(script, volumeMounts=mounts, **probes)]
    )
    await eventually(lambda: (shared / "ready").exists())
    seen = time.time()
    await eventually(lambda: node.container() is not None and node.container().state.running is not None)
    assert seen - parse_timestamp(node.container().state.running.startedAt) >= 2.0
    await node.running()
    assert len((shared / "ready").read_text().split()) >= 3
    await eventually(lambda: node.container().restartCount == 1)
    failed = [event for event in node.events() if event.startswith("Unhealthy: Liveness probe failed")]
    assert failed
    told = next(e for e in node.api.all(core_v1.Event) if e.message.startswith("Liveness probe failed"))
    assert told.count >= 5, "two before the good one, three after"


async def test_what_answers_nothing_is_said_in_upstreams_words(node: Node) -> None:
    """By whoever asks: nobody listens there, and nobody will."""
    probes = {
        "http": {"httpGet": {"port": 9, "path": "/"}},
        "tcp": {"tcpSocket": {"port": 9}},
        "grpc": {"grpc": {"port": 9}},
    }
    patient = {"periodSeconds": 1, "timeoutSeconds": 20}
    probed = [shell("sleep 1000", name, readinessProbe={**probe, **patient}) for name, probe in probes.items()]
    node.pod(containers=probed)
    await eventually(lambda: node.get().status is not None and node.get().status.podIP)
    place = f"{node.get().status.podIP}:9"
    for text in (
        f'Unhealthy: Readiness probe failed: Get "http://{place}/": dial tcp {place}: connect: connection refused',
        f"Unhealthy: Readiness probe failed: dial tcp {place}: connect: connection refused",
        f'Unhealthy: Readiness probe failed: timeout: failed to connect service "{place}" within 20s',
    ):
        await eventually(lambda text=text: any(event.startswith(text) for event in node.events()), about=node.events)
    assert node.phase() == "Running"


async def test_hooks_of_every_kind(node: Node, world: World) -> None:
    """By HTTP and TCP, and a sleep; and one that fails: its container ends, its preStop hook first."""
    http = {"httpGet": {"host": "127.0.0.1", "port": world.http, "path": "/begun"}}
    tcp = {"tcpSocket": {"host": "127.0.0.1", "port": str(world.http)}}
    failing = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo a secret; exit 3"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping > /shared/stopped"]}},
    }
    shared = node.folder / "shared"
    node.pod(
        restartPolicy="Never",
        terminationGracePeriodSeconds=2,
        volumes=[{"name": "v", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}],
        containers=[
            shell("exec sleep 1000", lifecycle={"postStart": http, "preStop": {"sleep": {"seconds": 1}}}),
            shell("exec sleep 1000", "t", lifecycle={"postStart": tcp}),
            shell("exec sleep 1000", "bad", lifecycle=failing, volumeMounts=[{"name": "v", "mountPath": "/shared"}]),
        ],
    )
    await eventually(lambda: node.get().status is not None and node.container("bad").state.terminated is not None)
    assert world.asked == ["http /begun kube-lifecycle/1.36"]
    assert (shared / "stopped").read_text() == "stopping\n"
    assert {"FailedPostStartHook: PostStartHook failed", "Killing: FailedPostStartHook"} <= set(node.events())
    assert not any("secret" in event for event in node.events())
    assert node.container().state.running and node.container("t").state.running
    began = time.monotonic()
    await node.api.delete(type(node.get()), "p", "default", grace_period_seconds=3)
    await node.gone()
    assert time.monotonic() - began > 1.0, "its sleep was waited for"
