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
    Member(node="b", address="192.0.2.2", pod="10.244.1.2", ranges=("10.244.1.0/24", "fd00:1::/64")),
)
ASKED = Asked(members=MEMBERS, service="10.96.0.7", name="kubernetes.default.svc.cluster.local", outside="1.1.1.1:443")
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
FINE, NONE, SMALL = Answer(True, True), Answer(False, False), Answer(True, False)


def told(**facts: str) -> Told:
    """All is well, but for these facts about node a."""
    every = [*targets(ASKED), Place(NAMES), Place(OUTSIDE)]
    answers = dict.fromkeys(itertools.product(sources(MEMBERS), every), FINE)
    found = {name: {"forwarding": "lo/forwarding", "routes": routes} for name, routes in ROUTES.items()}
    found["a"] |= facts
    return Told(answers=answers, facts=found)


def between(answer: Answer, kinds: str, source: str, target: str) -> Told:
    made = told()
    for one, other in (kind.split(">") for kind in kinds.split()):
        made.answers[Place(one, source), Place(other, target)] = answer
    return made


NO_MODULE = "no way to the pods of node b: this kernel has no such tunnel: `modprobe vxlan`"
ALL = f"{NODE}>{NODE} {NODE}>{POD} {POD}>{NODE} {POD}>{POD}"
CASES: dict[str, tuple[Told, list[str]]] = {
    "all is well": (told(), []),
    "a node that does not forward": (
        told(forwarding="all/forwarding\neth0/forwarding"),
        ["sysctl -w net.ipv4.conf.all.forwarding=1"],
    ),
    "an interface from which none is forwarded": (
        told(forwarding="lo/forwarding\neth0/forwarding"),
        ["node a does not forward packets from eth0"],
    ),
    "a missing route": (told(routes="default via 192.0.2.254"), ["node a has no route to the pods of node b"]),
    "a module that is missing": (
        told(routes="default via 192.0.2.254", agent=json.dumps({"routes": {"problems": {"b": NO_MODULE}}})),
        [f"node a: {NO_MODULE}"],
    ),
    "an agent that says nothing of use": (told(agent="<html>"), []),
    "foreign chains that drop": (
        told(chains=DROPS),
        ["chain fwd of table inet wall on node a", "chain FORWARD of table ip filter on node a"],
    ),
    "one in which room was made": (
        told(chains=DROPS, iptables='-A FORWARD -s 10.244.0.0/16 -m comment --comment "sampan pods" -j ACCEPT'),
        ["chain fwd of table inet wall on node a"],
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


def test_the_questions_are_answered_by_number() -> None:
    text = script(ASKED, NODE)
    once = "timeout 3 wget -qO- http://10.244.1.2:8080/small >/dev/null 2>&1"
    assert f"({once} || {{ sleep 1; {once}; }} && echo good 1/small) &" in text
    assert "nc -w 3 1.1.1.1 443" in text and text.endswith("echo end")
    assert "fact routes" in text and "fact routes" not in script(ASKED, POD)
    asked, made = Place(NODE, "a"), Told()
    read(
        ASKED, asked, "good 0/small\ngood 0/large\ngood 1/small\ngood names\nfact routes x\nfact routes\nnoise\n", made
    )
    assert made.answers[asked, Place(POD, "a")] == FINE
    assert made.answers[asked, Place(POD, "b")] == SMALL
    assert made.answers[asked, Place(SERVICE)] == NONE
    assert made.answers[asked, Place(NAMES)] == FINE
    assert made.facts["a"]["routes"] == "x\n"


def test_the_page() -> None:
    shown = page.text(ASKED, told(), [])
    assert shown.splitlines()[0].split("  ")[0] == "FROM PODS" and "to pod a" in shown
    assert shown.endswith("Everybody reaches everybody.")
    seen = between(SMALL, f"{POD}>{POD}", "a", "b")
    shown = page.text(ASKED, seen, ["the one"])
    assert "LARGE LOST" in shown and shown.endswith("WHAT BLOCKS\n  1. the one")
    many: Any = Asked(members=MEMBERS * 4, service="", name="", outside="")
    assert "27 of 28 questions were answered\n  pod a to pod b: LARGE LOST" in page.text(many, seen, ["x"])
    document = page.document(ASKED, seen, ["the one"])
    assert {"from": "pod a", "to": "pod b", "small": True, "large": False} in document["answers"]
