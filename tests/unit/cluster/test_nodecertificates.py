"""A joined machine's certificates over many lives of virtual time, with the controllers that approve and sign them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sampan.aio.tasks import TaskOwner
from sampan.api.errors import InternalError
from sampan.api.kinds import certificates_v1, core_v1, meta_v1
from sampan.client import kubeconfig
from sampan.client.certificates import Refused
from sampan.cluster import nodecertificates
from sampan.cluster.authority import Authority
from sampan.cluster.layout import write_private
from sampan.cluster.nodecertificates import NodeCertificates
from sampan.cluster.options import Options
from sampan.cluster.rotation import REISSUED, advance, stage
from sampan.controllers.certificates.approver import CertificateApprovingController
from sampan.controllers.certificates.request import SIGNERS
from sampan.controllers.certificates.signer import CertificateSigningController
from sampan.controllers.context import Config
from sampan.testing.clock import VirtualClock
from tests.unit.controllers.harness import World

LIFE = 7200.0
USER = "system:node:n1"


class Requesters:
    """Says who asked, as the API server's admission does."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create(self, obj: Any, *, target: Any = None) -> Any:
        if isinstance(obj, certificates_v1.CertificateSigningRequest):
            obj.spec.username, obj.spec.groups = USER, ["system:nodes"]
        return await self._api.create(obj, target=target)


class Machine:
    """One that has joined, and its cluster's authority in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        clock = VirtualClock()
        self.folder = folder
        self.authority = Authority(folder / "cluster", clock, leaf_seconds=LIFE)
        signing = dict.fromkeys(SIGNERS, (self.authority.certificate_file, self.authority.key_file))
        config = Config(signing=signing, signing_seconds=LIFE)
        self.world = World(CertificateApprovingController, CertificateSigningController, config=config)
        self.api = self.world.api
        self.api.allowed = {
            f"{USER} create certificatesigningrequests/{kind}"
            for kind in ("selfnodeclient", "selfnodeserver", "nodeproxy")
        }
        self.options = Options(
            data_dir=str(folder / "node"), node_name="n1", node_ip="192.0.2.1", api_server="https://192.0.2.7:6443"
        )
        self.client = Requesters(self.api)
        write_private(self.pki / "ca.crt", self.authority.certificate_file.read_bytes())
        addresses = [core_v1.NodeAddress(type="InternalIP", address="192.0.2.1")]
        addresses.append(core_v1.NodeAddress(type="Hostname", address="n1"))
        status = core_v1.NodeStatus(addresses=addresses)
        self.api.add(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n1"), status=status))

    @property
    def pki(self) -> Path:
        return self.options.layout.pki

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.pki / f"{name}.crt").read_bytes())

    def publish(self) -> None:
        """Tells the authorities, as the controllers and `sampan certs rotate-ca` do."""
        text = self.authority.certificate_file.read_text()
        for name, field in (("kube-root-ca.crt", "ca.crt"), ("sampan-node-config", "kubelet-ca.crt")):
            metadata = meta_v1.ObjectMeta(name=name, namespace="kube-system")
            if self.api.peek(core_v1.ConfigMap, name, "kube-system") is not None:
                self.api.remove(core_v1.ConfigMap, name, "kube-system")
            self.api.add(core_v1.ConfigMap(metadata=metadata, data={field: text}))


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    made = Machine(tmp_path)
    made.publish()
    await made.world.start()
    clock = made.world.clock
    async with TaskOwner("node", clock=clock) as tasks:
        tasks.start(NodeCertificates(made.options, made.client, clock, random.Random(1)).run, name="certificates")
        await made.world.settle(5)
        yield made
    await made.world.stop()


async def test_all_are_obtained_and_renewed_before_they_end(machine: Machine) -> None:
    kinds = {"kubelet", "kubelet-serving", "proxy"}
    serials: dict[str, set[int]] = {name: set() for name in kinds}
    for _ in range(48):
        for name in kinds:
            certificate = machine.certificate(name)
            assert certificate.not_valid_after_utc.timestamp() > machine.world.clock.now() + LIFE / 20
            serials[name].add(certificate.serial_number)
        for name in ("kubelet", "proxy"):
            read = kubeconfig.load(machine.options.layout.kubeconfigs / f"{name}.kubeconfig")
            assert read.cert == (machine.pki / f"{name}.crt").read_bytes()
        await machine.world.settle(LIFE / 10)
    assert all(5 <= len(found) <= 8 for found in serials.values()), serials
    assert not list(machine.pki.glob("*.next.key"))


async def test_a_failure_is_tried_again_with_the_same_key(machine: Machine) -> None:
    for path in machine.pki.glob("kubelet*"):
        path.unlink()
    machine.api.fail("update", "certificatesigningrequests", InternalError("away"), times=1000)
    await machine.world.settle(60)
    pending = (machine.pki / "kubelet.next.key").read_bytes()
    machine.api.recover()
    await machine.world.settle(200)
    assert (machine.pki / "kubelet.key").read_bytes() == pending


async def test_the_authorities_are_followed(machine: Machine) -> None:
    pki = machine.folder / "cluster"
    for _ in range(3):
        advance(pki, "ca", machine.world.clock)
        machine.publish()
        await machine.world.settle(31)
        assert (machine.pki / "ca.crt").read_bytes() == (pki / "ca.crt").read_bytes()
        if stage(pki, "ca") == REISSUED:
            await machine.world.settle(60)
    new = Authority(pki, machine.world.clock)
    assert all(new.signed(machine.certificate(name)) for name in ("kubelet", "kubelet-serving", "proxy"))
    assert len(machine.api.all(certificates_v1.CertificateSigningRequest)) == 6
    machine.api.change(core_v1.ConfigMap, "kube-root-ca.crt", "kube-system", lambda c: c.data.update({"ca.crt": "x"}))
    await machine.world.settle(31)
    assert (machine.pki / "ca.crt").read_bytes() == (pki / "ca.crt").read_bytes()


async def test_a_denied_request_is_told_and_its_key_forgotten(machine: Machine) -> None:
    machine.api.allowed.clear()
    what = nodecertificates.wanted(machine.options)["kubelet"]
    layout = machine.options.layout

    asking = nodecertificates.obtain(machine.client, machine.world.clock, layout, "kubelet", what, patience=20)
    task = asyncio.create_task(asking)
    await machine.world.settle(1)
    pending = [r for r in machine.api.all(certificates_v1.CertificateSigningRequest) if not r.status]
    denied = certificates_v1.CertificateSigningRequestCondition(type="Denied", status="True", message="not you")
    status = certificates_v1.CertificateSigningRequestStatus(conditions=[denied])
    kind = certificates_v1.CertificateSigningRequest
    machine.api.change(kind, pending[0].metadata.name, None, lambda r: setattr(r, "status", status))
    await machine.world.settle(15)
    with pytest.raises(Refused, match="was denied: not you"):
        await task
    assert not (machine.pki / "kubelet.next.key").exists()


async def test_who_is_not_approved_asks_once_and_waits(machine: Machine) -> None:
    machine.api.allowed.clear()
    for path in machine.pki.glob("kubelet-serving*"):
        path.unlink()
    await machine.world.settle(600)
    kind = certificates_v1.CertificateSigningRequest
    (waiting,) = [r for r in machine.api.all(kind) if not (r.status and r.status.certificate)]
    machine.api.allowed.add(f"{USER} create certificatesigningrequests/selfnodeserver")
    await machine.world.settle(360)
    assert machine.api.peek(kind, waiting.metadata.name).status.certificate
    assert (machine.pki / "kubelet-serving.crt").exists()
