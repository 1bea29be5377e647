from __future__ import annotations

import socket

from sampan.network.netlink.message import attributes
from sampan.network.proxy import flows
from sampan.network.proxy.flows import Flow
from sampan.network.proxy.nftables import affinity

LISTING = """\
udp      17 25 src=10.244.0.5 dst=10.96.0.5 sport=4000 dport=53 src=10.244.0.2 dst=10.244.0.5 sport=5353 dport=4000 \
mark=0 use=1
udp      17 25 src=10.0.0.9 dst=10.0.0.1 sport=4001 dport=30053 [UNREPLIED] src=10.244.0.3 dst=10.244.0.1 sport=5353 \
dport=777 mark=0 use=1
garbage
"""
TO_SERVICE = Flow("10.244.0.5", 4000, "10.96.0.5", 53, "10.244.0.2", 5353)
TO_NODE_PORT = Flow("10.0.0.9", 4001, "10.0.0.1", 30053, "10.244.0.3", 5353)


def test_flows_are_read() -> None:
    assert list(flows.parse(LISTING)) == [TO_SERVICE, TO_NODE_PORT]


def test_only_flows_to_strangers_are_stale() -> None:
    listed = list(flows.parse(LISTING))
    kept = {("10.96.0.5", 53): {("10.244.0.2", 5353)}, ("", 30053): {("10.244.0.3", 5353)}}
    assert flows.stale(listed, kept, {"10.0.0.1"}) == []
    moved = {("10.96.0.5", 53): {("10.244.0.9", 5353)}, ("", 30053): set()}
    assert flows.stale(listed, moved, {"10.0.0.1"}) == [TO_SERVICE, TO_NODE_PORT]
    assert flows.stale(listed, moved, set()) == [TO_SERVICE], "a node port is met on the node's addresses only"


def test_a_flow_is_deleted_by_what_its_client_sent() -> None:
    """As the kernel reads it: CTA_TUPLE_ORIG with addresses, protocol and ports, in network order."""
    body = flows.deletion(Flow("fd00::9", 4000, "fd00:96::5", 53, "fd00::2", 5353))
    assert body[:4] == bytes([socket.AF_INET6, 0, 0, 0])
    found = attributes(attributes(body[4:])[1])
    ends, kind = attributes(found[1]), attributes(found[2])
    assert ends == {3: socket.inet_pton(socket.AF_INET6, "fd00::9"), 4: socket.inet_pton(socket.AF_INET6, "fd00:96::5")}
    assert kind == {1: bytes([socket.IPPROTO_UDP]), 2: (4000).to_bytes(2), 3: (53).to_bytes(2)}
    four = attributes(attributes(attributes(flows.deletion(TO_SERVICE, "tcp")[4:])[1])[1])
    assert four == {1: bytes((10, 244, 0, 5)), 2: bytes((10, 96, 0, 5))}


def test_remembered_clients_of_gone_endpoints() -> None:
    def entry(client: str, address: str, port: int, endpoint: str) -> list[object]:
        key = {"elem": {"val": {"concat": [client, address, "tcp", port]}, "timeout": 60}}
        return [key, {"concat": [endpoint, 8080]}]

    elements = [
        entry("10.0.0.9", "10.96.0.5", 80, "10.244.0.2"),
        entry("10.0.0.9", "10.96.0.6", 80, "10.244.0.2"),
        entry("10.0.0.9", "10.0.0.1", 30080, "10.244.0.3"),
    ]
    listing = [{"metainfo": {}}, {"map": {"elem": elements}}]
    allowed = {("10.96.0.5", "tcp", 80): {("10.244.0.2", 8080)}, ("", "tcp", 30080): {("10.244.0.3", 8080)}}
    assert affinity.stale_keys(listing, allowed) == ["10.0.0.9 . 10.96.0.6 . tcp . 80"]
    assert affinity.stale_keys(listing, {}, within={("", "tcp", 30080)}) == ["10.0.0.9 . 10.0.0.1 . tcp . 30080"]
