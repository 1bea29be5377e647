"""Who the neighbours are, what BIRD is told, and what is done when something changes."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.network.bgp import passwords
from sampan.network.bgp.bird import configuration
from sampan.network.bgp.component import BgpRoutes
from sampan.network.bgp.fabric import AS_ANNOTATION, Fabric, Neighbour, fabric, mesh, router_id
from sampan.network.bgp.process import Refused, sessions
from sampan.network.errors import Unusable
from sampan.network.routes.peers import Peer
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

ONE = Peer(name="n1", addresses=("192.0.2.1", "2001:db8::1"), ranges=("10.244.1.0/24", "fd00:1::/64"))
TWO = Peer(name="n2", addresses=("192.0.2.2",), ranges=("10.244.2.0/24",))
CLUSTER = ("10.244.0.0/16", "fd00::/16")


def test_fabric() -> None:
    assert fabric("", "") == Fabric() == Fabric(number=64512, routers=(), mesh=True)
    routers = (Neighbour("192.0.2.9", 65000), Neighbour("2001:db8::9", 4200000000))
    assert fabric("65001", "65000@192.0.2.9, 4200000000@2001:DB8:0::9") == Fabric(
        number=65001, routers=routers, mesh=False
    )
    assert fabric("", "mesh,65000@192.0.2.9").mesh


@pytest.mark.parametrize(
    "number, peers, complaint",
    [
        ("0", "", "--bgp-as: '0' is no AS number: write one from 1 to 4294967294"),
        ("4294967295", "", "--bgp-as"),
        ("9" * 5000, "", "--bgp-as"),
        ("x", "", "--bgp-as"),
        ("", "192.0.2.9", "write AS@ADDRESS, such as 65000@192.0.2.1, or mesh"),
        ("", "65000@fe80::1%eth0; }", "write AS@ADDRESS"),
        ("", "65000@192.0.2.1,", "write AS@ADDRESS"),
        ("", "-1@192.0.2.1", "no AS number"),
        ("", ",".join(["65000@192.0.2.1"] * 17), "17 of them; name at most 16"),
    ],
)
def test_what_is_no_fabric(number: str, peers: str, complaint: str) -> None:
    with pytest.raises(ValueError) as raised:
        fabric(number, peers)
    assert complaint in str(raised.value)


def test_mesh_is_by_the_families_that_both_have() -> None:
    both = Peer(name="n3", addresses=("2001:db8::3", "192.0.2.3"), ranges=())
    assert mesh(TWO, [(ONE, 1), (both, 2)]) == [
        Neighbour("192.0.2.1", 1, near=False),
        Neighbour("192.0.2.3", 2, near=False),
    ]
    hostile = Peer(name="n4", addresses=("fe80::1%x; }", "192.0.2.4"), ranges=())
    assert [each.address for each in mesh(ONE, [(hostile, 1)])] == ["192.0.2.4"]
    assert router_id(ONE) == "192.0.2.1"
    assert router_id(Peer(name="n5", addresses=("2001:db8::5",), ranges=())) != router_id(
        Peer(name="n6", addresses=("2001:db8::6",), ranges=())
    )


def test_one_session_tells_both_families_where_nodes_share_addresses_of_one() -> None:
    four, six = (Peer(name="n", addresses=(a,), ranges=ONE.ranges) for a in ("192.0.2.3", "2001:db8::3"))
    both = Peer(name="n7", addresses=("192.0.2.7", "2001:db8::7"), ranges=ONE.ranges)

    def found(own: Peer, other: Peer, *, near: bool = True, link: str = "fe80::1") -> list[Neighbour]:
        return mesh(own, [(other, 1)], lambda address: near, lambda address: link)

    assert found(four, both) == [Neighbour("192.0.2.7", 1, near=True, both=True, link="fe80::1")]
    assert found(six, both) == [Neighbour("2001:db8::7", 1, near=True, both=True)]
    alone = [Neighbour("192.0.2.7", 1, near=False)]
    assert found(four, both, near=False) == found(four, both, link="") == found(TWO, both) == alone
    assert not any(each.both for each in found(ONE, both)), "a session for each family"
    session = configuration(four, Fabric(), found(four, both), CLUSTER, "log").partition("protocol bgp with_")[2]
    assert "  ipv6 {\n    next hop address fe80::1;\n    import where pods6() && ! ours6();\n" in session
    session = configuration(six, Fabric(), found(six, both), CLUSTER, "log").partition("protocol bgp with_")[2]
    assert "  ipv4 {\n    extended next hop;\n" in session and "direct;" in session


def test_passwords_of_a_file() -> None:
    text = "# of the racks' routers\nfor-all\n\n 192.0.2.9   one's-own\n2001:DB8:0::9 $ix;{}\n"
    found = passwords.parse(text)
    assert found == {"": "for-all", "192.0.2.9": "one's-own", "2001:db8::9": "$ix;{}"}
    asked = ("192.0.2.9", "192.0.2.10")
    assert [passwords.password(found, address) for address in asked] == ["one's-own", "for-all"]
    assert passwords.password({}, "192.0.2.9") == ""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('a";x', "line 1: write PASSWORD or ADDRESS PASSWORD"),
        ("ok\n192.0.2.1 a\\b", "line 2: write"),
        ("x" * 81, "up to 80 printable characters"),
        ("pass\x01word", "line 1: write"),
        ("192.0.2 secret", "line 1: what stands before the password is no address"),
    ],
)
def test_what_is_no_password_is_told_without_it(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as told:
        passwords.parse(text)
    assert "secret" not in str(told.value) and "pass\x01" not in str(told.value)


def test_passwords_that_others_may_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    with pytest.raises(Unusable, match="cannot read the BGP passwords"):
        passwords.read(file)
    file.write_text("secret\n")
    file.chmod(0o640)
    with pytest.raises(Unusable, match=r"others may read the BGP passwords in .*: `chmod 600"):
        passwords.read(file)
    file.chmod(0o600)
    assert passwords.read(file) == {"": "secret"}


@pytest.mark.parametrize("peers", ["mesh", "64512@192.0.2.9", "65000@192.0.2.9,65000@2001:db8::9,mesh"])
@pytest.mark.parametrize("own", [ONE, TWO])
def test_bird_takes_it(own: Peer, peers: str, tmp_path: Path) -> None:
    found = fabric("", peers)
    near = [router._replace(near=router.address == "192.0.2.9") for router in found.routers]
    others = mesh(own, [(ONE, 64512), (TWO, 1)], lambda address: True, lambda address: "fe80::1")
    text = configuration(own, found, [*near, *others], CLUSTER, str(tmp_path / "log"), {"": "#x;{}'"})
    if shutil.which("bird") is None:
        pytest.skip("bird2 is not installed")
    file = tmp_path / "bird.conf"
    file.write_text(text)
    done = subprocess.run(("bird", "-p", "-c", file), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_session_learns_pods_ranges_alone_and_tells_its_own_alone() -> None:
    given = ([Neighbour("192.0.2.9", 65000)], CLUSTER, "log", {"192.0.2.9": "ours", "192.0.2.8": "theirs"})
    text = configuration(ONE, fabric("", "65000@192.0.2.9"), *given)
    assert "theirs" not in text
    session = text[text.index("protocol bgp with_192_0_2_9") :]
    for line in (
        "local as 64512;",
        "neighbor 192.0.2.9 as 65000;",
        "direct;",
        "allow local as;",
        'password "ours";',
        "import where pods4() && ! ours4();",
        'export where proto = "own4";',
    ):
        assert f" {line}\n" in session
    assert "function ours4() { return net ~ [ 10.244.1.0/24+ ]; }" in text
    assert "function pods4() { return net ~ [ 10.244.0.0/16+ ]; }" in text
    assert "  route fd00:1::/64 unreachable;" in text


LISTING = """\
BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
own4       Static     master4    up     19:28:01.123
with_192_0_2_2 BGP        ---        up     19:28:01.123  Established
with_192_0_2_3 BGP        ---        start  19:28:01.123  Active        Socket: Connection refused
with_2001_db8__1 BGP      ---        down   19:28:01.123
"""


def test_sessions_that_are_down() -> None:
    assert dict(sessions(LISTING)) == {"192_0_2_3": "Active Socket: Connection refused", "2001_db8__1": "down"}


class Speaker:
    log = "bird.log"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refuses = ""
        self.down: dict[str, str] = {}

    async def use(self, text: str) -> bool:
        if self.refuses:
            raise Refused(self.refuses)
        new = text not in self.texts[-1:]
        self.texts += [text] if new else []
        return new

    async def problems(self) -> dict[str, str]:
        return self.down


def node(name: str, address: str, *ranges: str, **annotations: str) -> Any:
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name, annotations={AS_ANNOTATION: annotations.get("number", "")}),
        spec=core_v1.NodeSpec(podCIDRs=list(ranges)),
        status=core_v1.NodeStatus(addresses=[core_v1.NodeAddress(type="InternalIP", address=address)]),
    )


async def test_it_follows_the_nodes() -> None:
    clock, rng, speaker = VirtualClock(), random.Random(1), Speaker()
    api = FakeApi(clock)
    informers = Informers(api, clock, rng)
    routes = BgpRoutes(
        informers=informers, clock=clock, rng=rng, node_name="n1", fabric=fabric("", ""), cluster=CLUSTER,
        speaker=speaker, near=lambda address: True, link_local=lambda address: "fe80::1",
    )  # fmt: skip

    async def run() -> None:
        async with TaskOwner("test") as owner:
            informers.start(owner)
            await routes.run()

    task = asyncio.create_task(run())
    api.add(node("n2", "192.0.2.2", "10.244.2.0/24", number="65002; }"), node("n3", "192.0.2.3", "10.244.3.0/24"))
    await clock.advance(1)
    assert speaker.texts == [], "this node has no range yet"
    api.add(node("n1", "192.0.2.1", "10.244.1.0/24"))
    await clock.advance(3)
    assert "neighbor 192.0.2.2 as 64512;" in speaker.texts[-1], "what is no number is not believed"
    assert routes.healthy()
    api.change(core_v1.Node, "n2", None, lambda n: n.metadata.annotations.update({AS_ANNOTATION: "65002"}))
    api.remove(core_v1.Node, "n3")
    await clock.advance(1)
    assert "neighbor 192.0.2.2 as 65002;" in speaker.texts[-1] and "192.0.2.3" not in speaker.texts[-1]
    api.change(core_v1.Node, "n2", None, lambda n: n.metadata.annotations.update({"other": "1"}))
    speaker.refuses, count = "line 1: syntax error", len(speaker.texts)
    await clock.advance(3)
    assert routes.statistics()["problems"] == {"": "line 1: syntax error"}
    speaker.refuses, speaker.down = "", {"192_0_2_2": "Active"}
    await clock.advance(60)
    (problem,) = routes.statistics()["problems"].values()
    assert problem.startswith("no BGP session with 192_0_2_2: Active: see whether both ends")
    assert len(speaker.texts) == count, "what is as it was is not told again"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
