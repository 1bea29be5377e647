from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from sampan.api.kinds import core_v1, discovery_v1, networking_v1
from sampan.api.registry import builtin
from sampan.codec import json, yaml
from sampan.network.ingress import routing
from sampan.network.ingress.certificate import self_signed
from sampan.network.ingress.component import IngressController
from sampan.network.ingress.haproxy import Place, maps, render, unproven
from sampan.network.ingress.process import Refused
from sampan.network.ingress.routing import Certificate, Host, Routing, Sources, ours
from sampan.network.ingress.routing import Path as UrlPath
from sampan.network.ingress.runtime import Steps, steps
from sampan.network.proxy.model import Endpoint
from sampan.network.serviceindex import services_of
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

from .objects import endpoint_slice, service

PLACE = Place(folder="/x")


def pair(password: bytes = b"") -> tuple[bytes, bytes]:
    """Certificate and key."""
    pem = self_signed("shop.example.org", 0).strip()
    cut = pem.index(b"-----BEGIN PRIVATE")
    key = pem[cut:]
    if password:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        locked = serialization.BestAvailableEncryption(password)
        key = serialization.load_pem_private_key(key, None).private_bytes(*form, locked)
    return pem[:cut].strip(), key


CERTIFICATE, KEY = pair()
OTHER_KEY, LOCKED_KEY = pair()[1], pair(b"x")[1]
TLS = {"tls_crt": CERTIFICATE, "tls_key": KEY}
PEM = CERTIFICATE + b"\n" + KEY + b"\n"
INGRESS = """
{metadata: {name: shop, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}, spec: {
  ingressClassName: sampan, tls: [{hosts: [Shop.example.org], secretName: shop}],
  rules: [
    {host: shop.example.org, http: {paths: [
      {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}},
      {path: /api/, pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}},
      {path: /gone, pathType: Exact, backend: {service: {name: gone, port: {number: 80}}}}]}},
    {host: "*.example.org", http: {paths: [
      {pathType: Prefix, backend: {resource: {kind: Bucket, name: b}}}]}}]}}
"""
OTHER = """
{metadata: {name: other, namespace: default, creationTimestamp: "2026-01-02T00:00:00Z"}, spec: {
  ingressClassName: sampan, defaultBackend: {service: {name: web, port: {number: 80}}},
  rules: [{host: shop.example.org, http: {paths: [
      {path: /, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}},
      {path: /new, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}]}}]}}
"""


def ingress(text: str = INGRESS) -> Any:
    return builtin().kind("networking.k8s.io/v1", "Ingress").decode(
        json.encode({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", **yaml.decode(text)})
    )  # fmt: skip


def secret(**data: bytes) -> Any:
    encoded = {name.replace("_", "."): base64.b64encode(value).decode() for name, value in data.items()}
    found = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "shop", "namespace": "default"}}
    return builtin().kind("v1", "Secret").decode(json.encode({**found, "type": "kubernetes.io/tls", "data": encoded}))


def sources(*objects: Any) -> Sources:
    def find(kind: type) -> Any:
        known = {f"{one.metadata.namespace}/{one.metadata.name}": one for one in objects if isinstance(one, kind)}
        return known.get

    def slices(key: str) -> list[Any]:
        return [one for one in objects if hasattr(one, "addressType") and key in services_of(one)]

    return Sources(find(core_v1.Service), slices, find(core_v1.Secret))


ALL = sources(service("web"), endpoint_slice("web", "10.244.0.2", "10.244.1.2"), secret(**TLS))


def test_routing() -> None:
    found = routing.routing([ingress(OTHER), ingress()], ALL)
    assert maps(found) == {
        "hosts": "shop.example.org 2\n",
        "wildcards": ".example.org 1\n",
        "exact": "2/gone default:gone:80\n2/new default:web:80\n",
        "prefixes": "1/ none\n2/ default:web:http\n2/api/ default:web:80\n",
    }
    assert found.default == "default:web:80"
    endpoints = {name: [one.address for one in found.backends[name]] for name in found.backends}
    assert endpoints == {
        "default:gone:80": [],
        "default:web:80": ["10.244.0.2", "10.244.1.2"],
        "default:web:http": ["10.244.0.2", "10.244.1.2"],
        "none": [],
    }
    assert found.certificates == (("default:shop", PEM, ("shop.example.org",)),)
    files = render(found, PLACE, b"D")
    assert files["certificates.list"].endswith(b"/x/default:shop.pem shop.example.org\n")
    assert b"server 10.244.1.2:8080 10.244.1.2:8080" in files["haproxy.cfg"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({}, "there is no such secret of type kubernetes.io/tls"),
        ({"tls_crt": CERTIFICATE}, "there is no such secret"),
        ({"tls_crt": b"C", "tls_key": KEY}, "tls.crt holds no certificate"),
        ({"tls_crt": CERTIFICATE, "tls_key": b"K"}, "tls.key holds no private key"),
        ({"tls_crt": CERTIFICATE, "tls_key": OTHER_KEY}, "tls.key is not the key of the first certificate"),
        ({"tls_crt": CERTIFICATE, "tls_key": LOCKED_KEY}, "without a password"),
    ],
)
def test_a_secret_that_is_none_shows_no_certificate(broken: dict[str, bytes], reason: str) -> None:
    found = routing.routing([ingress()], sources(secret(**broken)))
    assert found.certificates == ()
    told = {each.reason: each.message for each in found.problems}
    assert set(told) == {"InvalidSecret", "UnsupportedBackend"} and reason in told["InvalidSecret"]


EVIL = """
{metadata: {name: evil, namespace: e, creationTimestamp: "2025-01-01T00:00:00Z"}, spec: {
  tls: [{secretName: ../../etc/shadow}, {secretName: fine, hosts: ["a b", "x\\n/etc/passwd"]}],
  rules: [
    {host: "x\\n2/ e:evil:80", http: {paths: [
      {path: /, pathType: Prefix, backend: {service: {name: evil, port: {number: 80}}}}]}},
    {host: evil.example.org, http: {paths: [
      {path: "/a\\n2/ e:evil:80", pathType: ImplementationSpecific, backend: {service: {name: evil}}},
      {path: "/a b", pathType: Exact, backend: {service: {name: evil}}},
      {path: "/\\xE4", pathType: Exact, backend: {service: {name: evil}}},
      {path: "/%20{}\\"'%[req.hdr(x)]#", pathType: Exact, backend: {service: {name: evil}}},
      {path: /n, pathType: Exact, backend: {service: {name: "a\\n  http-request deny", port: {number: 80}}}},
      {path: /p, pathType: Exact, backend: {service: {name: a, port: {name: "x y"}}}}]}}]}}
""".replace("\\\\", "\\")


def test_what_would_be_anothers_entry_is_left_out() -> None:
    found = routing.routing([ingress(EVIL), ingress()], ALL)
    alone = routing.routing([ingress()], ALL)
    written = maps(found)
    assert written["hosts"] == "evil.example.org 2\nshop.example.org 3\n"
    evil = [line for line in written["exact"].splitlines() if line.startswith("2/")]
    assert evil == ["2/%20{}\"'%[req.hdr(x)]# e:evil:", "2/n none", "2/p none"]
    assert written["prefixes"].replace("3/", "2/") == maps(alone)["prefixes"]
    assert found.certificates == alone.certificates
    text = render(found, PLACE, b"D")["haproxy.cfg"].decode()
    assert "deny" not in text and "x y" not in text
    reasons = [each.reason for each in found.problems if each.ingress.metadata.name == "evil"]
    assert sorted(reasons) == [
        *["InvalidBackend"] * 2, *["InvalidHost"] * 3, *["InvalidPath"] * 3, *["InvalidSecret"] * 2
    ]  # fmt: skip


def ingress_class(name: str, controller: str, default: bool = False) -> Any:
    annotations = {routing.DEFAULT_CLASS: "true"} if default else {}
    found = {"kind": "IngressClass", "apiVersion": "networking.k8s.io/v1", "spec": {"controller": controller}}
    named = {**found, "metadata": {"name": name, "annotations": annotations}}
    return builtin().kind("networking.k8s.io/v1", "IngressClass").decode(json.encode(named))


def test_whose_it_is() -> None:
    mine, default = ingress_class("sampan", routing.CONTROLLER), ingress_class("sampan", routing.CONTROLLER, True)
    given, none = ingress(), ingress("{metadata: {name: a, namespace: d}, spec: {}}")
    annotated = ingress(
        "{metadata: {name: a, namespace: d, annotations: {kubernetes.io/ingress.class: sampan}}, spec: {}}"
    )
    assert ours(given, [mine])
    assert ours(annotated, [mine])
    assert not ours(none, [mine])
    assert ours(none, [default])
    assert not ours(given, [ingress_class("sampan", "example.org/other")])


class FakeHaproxy:
    def __init__(self) -> None:
        self.files: Mapping[str, bytes] = {}
        self.refuse = ""
        self.started = self.given = 0
        self.deaf = False
        self.told: list[str] = []
        self.alive = False

    async def use(self, files: Mapping[str, bytes]) -> bool:
        if self.refuse and any(name in self.refuse for name in files):
            raise Refused(self.refuse)
        changed, self.files = files != self.files, files
        self.given += changed
        self.started += not self.alive
        self.alive = True
        return changed

    async def change(self, files: Mapping[str, bytes], steps: Steps) -> bool:
        if not self.alive or self.deaf:
            return False
        self.files, self.told = files, [*self.told, *(command.text for command in steps.commands)]
        return True

    def running(self) -> int | None:
        return 1 if self.alive else None


class Setting:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock)
        self.server = FakeHaproxy()
        self.controller = IngressController(
            client=self.api, clock=self.clock, rng=random.Random(1), server=self.server, place=PLACE,
            address="192.0.2.1", certificate=b"D",
        )  # fmt: skip

    def status(self) -> list[str]:
        found = self.api.peek(networking_v1.Ingress, "shop", "default").status
        return [one.ip for one in found.loadBalancer.ingress] if found and found.loadBalancer else []


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    task = asyncio.create_task(setting.controller.run())
    await setting.clock.advance(1)
    yield setting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_files_and_status_follow_the_api(setting: Setting) -> None:
    (own,) = setting.api.all(networking_v1.IngressClass)
    assert (own.metadata.name, own.metadata.annotations) == ("sampan", {routing.DEFAULT_CLASS: "true"})
    assert Routing().default == ""
    setting.api.add(ingress(), service("web"), endpoint_slice("web", "10.244.0.2"), secret(**TLS))
    await setting.clock.advance(1)
    assert b"server 10.244.0.2:8080 10.244.0.2:8080" in setting.server.files["haproxy.cfg"]
    assert setting.server.files["default:shop.pem"] == PEM
    assert setting.status() == ["192.0.2.1"]
    assert setting.controller.healthy()
    await setting.api.delete(networking_v1.Ingress, "shop", "default")
    await setting.clock.advance(1)
    assert b"10.244.0.2" not in setting.server.files["haproxy.cfg"]


async def test_what_is_refused_is_tried_again(setting: Setting) -> None:
    setting.server.refuse = "haproxy.cfg"
    setting.api.add(ingress())
    await setting.clock.advance(1)
    assert not setting.controller.healthy()
    assert setting.status() == []
    setting.server.refuse = ""
    await setting.clock.advance(30)
    assert setting.controller.healthy()
    assert setting.status() == ["192.0.2.1"]


async def test_a_certificate_that_haproxy_refuses_keeps_nothing_else_back(setting: Setting) -> None:
    setting.server.refuse = "[ALERT] : unable to load certificate chain from file '/x/default:shop.pem'"
    setting.api.add(ingress(), secret(**TLS))
    await setting.clock.advance(1)
    assert setting.status() == ["192.0.2.1"]
    assert "default:shop.pem" not in setting.server.files
    setting.server.refuse = ""
    certificate, key = pair()
    encoded = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    setting.api.change(core_v1.Secret, "shop", "default", lambda one: setattr(one, "data", encoded))
    await setting.clock.advance(1)
    assert setting.server.files["default:shop.pem"] == certificate + b"\n" + key + b"\n", "another is tried"


async def test_what_is_left_out_is_told_once(setting: Setting) -> None:
    setting.api.add(ingress())
    await setting.clock.advance(5)
    setting.api.add(service("web"))
    await setting.clock.advance(5)
    events = {event.reason: event for event in setting.api.all(core_v1.Event)}
    assert set(events) == {"UnsupportedBackend", "InvalidSecret"}
    told = events["UnsupportedBackend"]
    assert (told.type, told.involvedObject.name, told.count) == ("Warning", "shop", 1)
    assert told.message == "a resource backend answers 503 here: name a service"


async def test_a_server_that_died_is_started_anew(setting: Setting) -> None:
    setting.api.add(ingress())
    await setting.clock.advance(1)
    setting.server.alive = False
    await setting.clock.advance(2)
    assert setting.server.started == 2


async def test_endpoints_on_nodes_that_do_not_answer_are_left_out(setting: Setting) -> None:
    web, last = endpoint_slice("web", "10.244.0.2", "10.244.1.2"), endpoint_slice("gone", "10.244.1.3")
    for endpoint, node in zip((*web.endpoints, *last.endpoints), ("n1", "n2", "n2"), strict=True):
        endpoint.nodeName = node
    setting.api.add(ingress(), service("web"), service("gone"), web, last)
    await setting.clock.advance(1)
    for dead, led in ((frozenset({"n2"}), False), (frozenset[str](), True)):
        setting.controller.avoid(dead)
        await setting.clock.advance(1)
        configuration = setting.server.files["haproxy.cfg"]
        assert b"10.244.0.2" in configuration and (b"10.244.1.2" in configuration) == led
        assert b"10.244.1.3" in configuration, "there is no other"


async def test_endpoints_and_certificates_change_without_new_files_being_taken_up(setting: Setting) -> None:
    setting.api.add(ingress(), service("web"), endpoint_slice("web", "10.244.0.2"), secret(**TLS))
    await setting.clock.advance(1)
    given = setting.server.given
    moved = endpoint_slice("web", "10.244.1.2").endpoints
    setting.api.change(discovery_v1.EndpointSlice, "web-1", "default", lambda one: setattr(one, "endpoints", moved))
    await setting.clock.advance(1)
    certificate, key = pair()
    encoded = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    setting.api.change(core_v1.Secret, "shop", "default", lambda one: setattr(one, "data", encoded))
    await setting.clock.advance(1)
    assert setting.server.given == given
    assert "set server default:web:80/10.244.0.2:8080 state maint" in setting.server.told
    assert f"set ssl cert /x/default:shop.pem <<\n{certificate.decode()}\n{key.decode()}\n" in setting.server.told
    assert setting.server.files["default:shop.pem"] == certificate + b"\n" + key + b"\n"
    setting.server.deaf = True
    setting.api.remove(discovery_v1.EndpointSlice, "web-1", "default")
    await setting.clock.advance(1)
    assert setting.server.given == given + 1, "who does not take it is given the files"


def test_steps_from_one_routing_to_the_next() -> None:
    one, other = Endpoint("10.244.0.2", 80), Endpoint("fd00:244::2", 80)
    hosts = (Host("a.example.org", (UrlPath("/", False, "d:web:80"),)),)

    def made(*endpoints: Endpoint, pem: bytes = b"A\n\nB\n", hosts: tuple[Host, ...] = hosts) -> Routing:
        return Routing(hosts, {"d:web:80": endpoints}, (Certificate("d:shop", pem, ()),))

    assert steps(made(one), made(one), PLACE) == Steps()
    found = steps(made(one), made(other), PLACE)
    assert found is not None and [command.text for command in found.commands] == [
        "add server d:web:80/fd00:244::2:80 [fd00:244::2]:80",
        "set server d:web:80/fd00:244::2:80 state ready",
        "set server d:web:80/10.244.0.2:80 state maint",
    ]
    assert (found.joining, found.leaving) == ({"d:web:80/fd00:244::2:80"}, {"d:web:80/10.244.0.2:80"})
    renewed = steps(made(), made(pem=b"C\n\nD"), PLACE)
    assert renewed is not None and [command.text for command in renewed.commands] == [
        "set ssl cert /x/d:shop.pem <<\nC\nD\n",
        "commit ssl cert /x/d:shop.pem",
    ]
    assert steps(made(one), made(one, hosts=()), PLACE) is None
    assert steps(made(one), Routing(hosts, {}, made().certificates), PLACE) is None
    assert steps(made(one), Routing(hosts, {"d:web:80": (one,)}), PLACE) is None


def test_certificates_are_asked_about_once() -> None:
    pems = {"d:a.pem": b"A", "d:b.pem": b"B", "default.pem": b"D"}
    listed = b"/x/default.pem\n/x/d:a.pem a.example.org\n/x/d:b.pem\n"
    files = {"haproxy.cfg": b"C", "certificates.list": listed, **pems}
    assert unproven(files, {}) == files
    asked = unproven(files, {"d:a.pem": b"A", "d:b.pem": b"old", "default.pem": b"D"})
    assert asked["certificates.list"] == b"/x/default.pem\n/x/d:b.pem\n"
    assert sorted(asked) == ["certificates.list", "d:b.pem", "default.pem", "haproxy.cfg"]


def test_listeners() -> None:
    text = render(Routing(), Place(folder="/x", addresses=("", "::", "192.0.2.1")), b"D")["haproxy.cfg"].decode()
    binds = [line.split()[1:] for line in text.splitlines() if line.startswith("    bind ")]
    assert [words[0] for words in binds] == [":80", ":443", "[::]:80", "[::]:443", "192.0.2.1:80", "192.0.2.1:443"]
    assert [words[1:2] for words in binds[2:4]] == [["v6only"]] * 2
