"""What is asked, how the answers are read, what is made of them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from sampan.network.check import judge, page
from sampan.network.check.plan import (
    NAMES,
    NODE,
    OUTSIDE,
    POD,
    SERVICE,
    Answer,
    Asked,
    Member,
    Place,
    Told,
    read,
    script,
    sources,
    targets,
)

MEMBERS = (
    Member(node="a", address="192.0.2.1", pod="10.244.0.2", ranges=("10.244.0.0/24",)),
    Member(node="b", address="192.0.2.2", pod="10.244.1.2", ranges=("10.244.1.0/24",)),
)
ASKED = Asked(members=MEMBERS, service="10.96.0.7", name="kubernetes.default.svc.cluster.local", outside="1.1.1.1:443")
SIX = Asked(
    members=(
        Member(node="a", address="", pod="fd00::2", ranges=("fd00::/64",)),
        Member(node="b", address="", pod="fd00:1::2", ranges=("fd00:1::/64",)),
    ),
    service="fd00:96::7", name=ASKED.name, outside="", server="fd00:96::a", version=6,
)  # fmt: skip
CLUSTER = "10.244.0.0/16"
ROUTES = {"a": "10.244.1.0/24 via 192.0.2.2 dev eth0 proto 84", "b": "10.244.0.0/24 via 192.0.2.1 dev eth0 proto 84"}
DROPS = """table inet wall {
\tchain fwd {
\t\ttype filter hook forward priority filter; policy drop;
\t}
}
table ip filter {
\tchain FORWARD {
\t\ttype filter hook forward priority filter; policy drop;
\t}
}"""
RULES = """sh: nft: no such thing
ip filter|FORWARD|\t\tip saddr 10.244.0.0/16 counter packets 3 bytes 180 drop
ip filter|INPUT|\t\ttcp dport 25 counter packets 0 bytes 0 drop
inet wall|guard|\t\tct state invalid drop
ip6 wall|guard|\t\tip6 saddr fd00::/16 reject"""
FINE, NONE, SMALL = Answer(True, True), Answer(False, False), Answer(True, False)


def told(**facts: str) -> Told:
    """All is well, but for these facts about node a."""
    every = [*targets(ASKED), Place(NAMES), Place(OUTSIDE)]
    answers = dict.fromkeys(itertools.product(sources(MEMBERS), every), FINE)
    found = {name: {"forwarding4": "lo/forwarding", "routes4": routes} for name, routes in ROUTES.items()}
    found["a"] |= facts
    return Told(answers=answers, facts=found)


def between(answer: Answer, kinds: str, source: str, target: str, **facts: str) -> Told:
    made = told(**facts)
    for one, other in (kind.split(">") for kind in kinds.split()):
        made.answers[Place(one, source), Place(other, target)] = answer
    return made


NO_MODULE = "no way to the pods of node b: this kernel has no such tunnel: `modprobe vxlan`"
ALL = f"{NODE}>{NODE} {NODE}>{POD} {POD}>{NODE} {POD}>{POD}"
CASES: dict[str, tuple[Told, list[str]]] = {
    "all is well": (told(), []),
    "a node that does not forward": (
        told(forwarding4="all/forwarding\neth0/forwarding"),
        ["sysctl -w net.ipv4.conf.all.forwarding=1"],
    ),
    "an interface from which none is forwarded": (
        told(forwarding4="lo/forwarding\neth0/forwarding"),
        ["node a does not forward packets from eth0"],
    ),
    "a missing route": (told(routes4="default via 192.0.2.254"), ["node a has no route to the pods of node b"]),
    "a module that is missing": (
        told(routes4="default via 192.0.2.254", agent=json.dumps({"routes": {"problems": {"b": NO_MODULE}}})),
        [f"node a: {NO_MODULE}"],
    ),
    "an agent that says nothing of use": (told(agent="<html>"), []),
    "foreign chains that drop": (
        told(chains=DROPS),
        ["chain fwd of table inet wall on node a", "chain FORWARD of table ip filter on node a"],
    ),
    "one in which room was made": (
        told(chains=DROPS, iptables4='-A FORWARD -s 10.244.0.0/16 -m comment --comment "sampan pods" -j ACCEPT'),
        ["chain fwd of table inet wall on node a"],
    ),
    "rules that drop, where nothing is lost": (told(drops=RULES), []),
    "a rule that drops what pods send": (
        between(NONE, f"{POD}>{POD}", "a", "b", drops=RULES),
        [
            "chain FORWARD of table ip filter on node a may drop it: `ip saddr 10.244.0.0/16 counter packets 3",
            "pods on node a to b: no packet",
        ],
    ),
    "a node cut off": (between(NONE, ALL, "a", "b"), ["nothing gets from node a to b (192.0.2.2)"]),
    "pods cut off": (between(NONE, f"{POD}>{POD} {NODE}>{POD}", "a", "b"), ["pods on node a to b: no packet"]),
    "a narrow network": (between(SMALL, f"{POD}>{POD}", "a", "b"), ["large packets from node b to a get lost"]),
    "a node that does not reach its pods": (
        between(NONE, f"{NODE}>{POD}", "a", "a"),
        ["see the firewall's output chains"],
    ),
    "no services": (between(NONE, f"{POD}>{SERVICE}", "a", ""), ["pods on node a do not reach a Service"]),
    "no names": (between(NONE, f"{POD}>{NAMES}", "a", ""), ["pods on node a get no answer from the cluster's DNS"]),
    "no way out for pods": (
        between(NONE, f"{POD}>{OUTSIDE}", "a", ""),
        ["node a reaches 1.1.1.1:443, its pods do not"],
    ),
    "no way out at all": (between(NONE, f"{POD}>{OUTSIDE} {NODE}>{OUTSIDE}", "a", ""), []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_blocks(case: str) -> None:
    seen, wanted = CASES[case]
    found = judge.findings(ASKED, seen, CLUSTER)
    assert len(found) == len(wanted), found
    assert all(part in text for part, text in zip(wanted, found, strict=True)), found


def test_a_family_has_faults_of_its_own() -> None:
    drops = "table ip6 wall {\n chain fwd {\n type filter hook forward priority filter; policy drop;\n }\n}"
    seen = Told(facts={"a": {"forwarding6": "all/forwarding", "routes6": "default via fe80::1", "chains": drops}})
    seen.answers = dict.fromkeys(itertools.product(sources(SIX.members), targets(SIX)), FINE)
    seen.answers[Place(POD, "a"), Place(POD, "b")] = NONE
    found = judge.findings(SIX, seen, "fd00::/48")
    for part, text in zip(
        (
            "sysctl -w net.ipv6.conf.all.forwarding=1",
            "node a has no route to the pods of node b (fd00:1::/64)",
            "nft insert rule ip6 wall fwd ip6 saddr fd00::/48 accept",
            "pods on node a to b: no packet gets through",
        ),
        found,
        strict=True,
    ):
        assert part in text
    assert judge.findings(ASKED, told(chains=drops, forwarding6="all/forwarding"), CLUSTER) == []


def test_the_questions_are_answered_by_number() -> None:
    text = script([ASKED, SIX], NODE)
    once = "timeout 3 wget -qO- http://10.244.1.2:8080/small >/dev/null 2>&1"
    assert f"({once} || {{ sleep 1; {once}; }} && echo good 4/1/small) &" in text
    assert "http://[fd00:1::2]:8080/large" in text and f"nslookup {ASKED.name} fd00:96::a" in text
    assert "nc -w 3 1.1.1.1 443" in text and text.endswith("echo end")
    assert "fact routes6" in text and "fact routes6" not in script([ASKED], POD)
    asked, made = Place(NODE, "a"), Told()
    read(
        ASKED, asked, "good 4/0/small\ngood 4/0/large\ngood 4/1/small\ngood 6/1/large\ngood 4/names\n"
        "fact routes4 x\nfact routes4\nnoise\n", made,
    )  # fmt: skip
    assert made.answers[asked, Place(POD, "a")] == FINE
    assert made.answers[asked, Place(POD, "b")] == SMALL
    assert made.answers[asked, Place(SERVICE)] == NONE
    assert made.answers[asked, Place(NAMES)] == FINE
    assert made.facts["a"]["routes4"] == "x\n"


def test_the_page() -> None:
    shown = page.text([(ASKED, told())], [])
    assert shown.splitlines()[0].split("  ")[0] == "FROM PODS" and "to pod a" in shown
    assert shown.endswith("Everybody reaches everybody.")
    seen = between(SMALL, f"{POD}>{POD}", "a", "b")
    shown = page.text([(ASKED, seen)], ["the one"])
    assert "LARGE LOST" in shown and shown.endswith("WHAT BLOCKS\n  1. the one")
    many: Any = Asked(members=MEMBERS * 4, service="", name="", outside="")
    assert "27 of 28 questions were answered\n  pod a to pod b: LARGE LOST" in page.text([(many, seen)], ["x"])
    both = page.text([(ASKED, told()), (SIX, Told())], [])
    assert [line.split("  ")[0] for line in both.splitlines() if line.startswith("FROM")] == [
        "FROM PODS BY IPv4", "FROM NODES BY IPv4", "FROM PODS BY IPv6", "FROM NODES BY IPv6"
    ]  # fmt: skip
    document = page.document([(ASKED, seen)], ["the one"])
    assert {"family": "IPv4", "from": "pod a", "to": "pod b", "small": True, "large": False} in document["answers"]
