"""Whatever the changes, applying them one by one ends where writing everything anew would."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.iptables import chains
from sampan.network.proxy.iptables.table import AT_ONCE, CHAINS_OF_ONE, WITHOUT_LIMIT, Table
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import IPV6, Settings

from .test_table import ports, services

SETTINGS = Settings(cluster_cidr="10.244.0.0/16", skip=("10.96.0.10",))


class Kernel:
    """What iptables-restore --noflush does; a reference to a chain that is not there fails, as does -D of nothing."""

    def __init__(self) -> None:
        self.rules: dict[tuple[str, str], list[str]] = {}

    def apply(self, text: str) -> None:
        table = ""
        for line in text.splitlines():
            verb, _, rest = line.partition(" ")
            chain, _, rule = rest.partition(" ")
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith(":"):
                self.rules[table, verb[1:]] = []
            elif verb == "-A":
                self.rules[table, chain].append(rule)
            elif verb == "-I":
                self.rules[table, chain].insert(0, rule)
            elif verb == "-D":
                self.rules[table, chain].remove(rule)
            elif verb == "-X":
                assert self.rules.pop((table, chain)) == []
        self._targets_exist()

    def apply_all(self, texts: list[str]) -> None:
        for text in texts:
            self.apply(text)

    def _targets_exist(self) -> None:
        for (table, _), rules in self.rules.items():
            for rule in rules:
                target = rule.rpartition(" -j ")[2] if " -j " in rule else rule.removeprefix("-j ")
                assert not target.startswith("KUBE-") or (table, target) in self.rules, rule

    def content(self) -> dict[tuple[str, str], list[str]]:
        """Rules by chain, in any order where they do not exclude each other."""
        return {key: sorted(rules) for key, rules in self.rules.items()}


@given(st.lists(st.tuples(services, st.lists(ports, max_size=1).map(tuple)), max_size=8))
def test_updates_end_where_a_replacement_ends(steps: list[tuple[str, Ports]]) -> None:
    table, kernel, state = Table(SETTINGS), Kernel(), dict[str, Ports]()
    kernel.apply_all(table.replace({}))
    for service, new in steps:
        kernel.apply(table.update([Change(service, state.get(service, ()), new)]))
        state[service] = new
        anew, other = Kernel(), Table(SETTINGS)
        anew.apply_all(other.replace({key: value for key, value in state.items() if value}))
        assert kernel.content() == anew.content()
        assert table.rule_count() == other.rule_count() == len(chains.JUMPS) + sum(map(len, kernel.rules.values()))
    kernel.apply_all(Table(SETTINGS).replace({}, list(kernel.rules)))
    empty = Kernel()
    empty.apply_all(Table(SETTINGS).replace({}))
    assert kernel.content() == empty.content()
    kernel.apply_all(table.drop(list(kernel.rules)))
    assert kernel.rules == {}


def chain_rules(port: ServicePort, settings: Settings = SETTINGS) -> dict[str, list[str]]:
    rendering = chains.render("default/web", (port,), settings)
    found: dict[str, list[str]] = defaultdict(list)
    for name, rules in rendering.chains.items():
        found[name[: name.rindex("-")]] += rules
    for entry in rendering.entries:
        found[f"{entry.table} {entry.chain}"].append(entry.rule)
    return found


def test_names_are_those_of_kube_proxy() -> None:
    """As in the listings of kube-proxy's own tests for the service ns1/svc1:p80."""
    assert chains.chain_name("SVC", "ns1/svc1:p80", "tcp") == "KUBE-SVC-XPGD46QRK7WJZT7O"
    assert chains.chain_name("SEP", "ns1/svc1:p80", "tcp", "10.180.0.1:80") == "KUBE-SEP-SXIVWICOYRO3J4NJ"


def test_chances_are_even() -> None:
    endpoints = tuple(Endpoint(f"10.244.0.{number}", 80) for number in range(1, 4))
    rules = chain_rules(ServicePort("tcp", (Frontend("cluster", "10.96.0.5", 80),), endpoints, ()))["KUBE-SVC"]
    assert "! -s 10.244.0.0/16 -j KUBE-MARK-MASQ" in rules[0]
    assert [rule.split(" -j ")[0] for rule in rules[1:3]] == [
        "-m statistic --mode random --probability 0.3333333333",
        "-m statistic --mode random --probability 0.5000000000",
    ]
    assert rules[3].startswith("-j KUBE-SEP-")


def test_ipv6_and_no_pod_network() -> None:
    port = ServicePort("udp", (Frontend("cluster", "fd00::5", 53),), (Endpoint("fd01::1", 5353),), ())
    rules = chain_rules(port, Settings(family=IPV6))
    assert rules["KUBE-SEP"][1].endswith("-j DNAT --to-destination [fd01::1]:5353")
    assert len(rules["KUBE-SVC"]) == 1


def test_local_policies_without_local_endpoints_drop() -> None:
    frontends = (Frontend("cluster", "10.96.0.5", 80), Frontend("node", "", 30080))
    port = ServicePort("tcp", frontends, (Endpoint("10.244.1.2", 80),), (), internal_local=True, external_local=True)
    rules = chain_rules(port)
    assert rules["filter KUBE-SERVICES"][0].endswith("-d 10.96.0.5 --dport 80 -j DROP")
    assert rules["filter KUBE-EXTERNAL-SERVICES"][0].endswith("--dst-type LOCAL --dport 30080 -j DROP")
    assert "nat KUBE-SERVICES" not in rules


def test_many_services_are_written_in_pieces_and_led_to_at_last() -> None:
    """iptables-restore takes time by the square of the chains in a text."""
    port = ServicePort("tcp", (Frontend("cluster", "10.96.1.1", 80),), (Endpoint("10.244.0.5", 8080),), ())
    table = Table(SETTINGS)
    first, *pieces, last = table.replace({f"d/s{number}": (port,) for number in range(2 * AT_ONCE + 1)})
    assert len(pieces) == 3
    assert "-j KUBE-SVC" not in "".join((first, *pieces))
    assert last.count("-j KUBE-SVC") == 2 * AT_ONCE + 1
    assert max(text.count("\n:KUBE-SVC") for text in (*pieces, last)) == AT_ONCE


def many(number: int) -> dict[str, Ports]:
    found = {}
    for each in range(number):
        frontends = (Frontend("cluster", f"10.96.{each // 250}.{each % 250}", 80), Frontend("node", "", 30000 + each))
        found[f"d/s{each}"] = (ServicePort("tcp", frontends, (Endpoint("10.244.0.5", 8080),), ()),)
    return found


def test_entries_lead_to_chains_in_falling_order() -> None:
    """Where iptables-restore finds its place in its list at once: 0.6 s instead of 20 for 30,000."""
    shared = Table(SETTINGS).replace(many(50))[-1]
    led_to = [
        line.rpartition(" ")[2] for line in shared.splitlines() if " -j KUBE-SVC" in line or " -j KUBE-EXT" in line
    ]
    assert len(led_to) == 100
    assert led_to == sorted(led_to, reverse=True)


def test_what_others_left_goes_in_pieces_leaders_first() -> None:
    kernel = Kernel()
    kernel.rules["nat", "DOCKER"] = ["-j RETURN"]
    kernel.apply_all(Table(SETTINGS).replace(many(2 * AT_ONCE)))
    chains_there = sum("KUBE-" in name for _, name in kernel.rules)
    texts = Table(SETTINGS).replace(many(1), list(kernel.rules))
    assert max(text.count("\n-X ") for text in texts) == AT_ONCE * CHAINS_OF_ONE
    for text in texts:
        kernel.apply(text)
    assert sum("KUBE-" in name for _, name in kernel.rules) == chains_there - 3 * (2 * AT_ONCE - 1)
    for text in Table(SETTINGS).drop(list(kernel.rules)):
        kernel.apply(text)
    assert kernel.rules == {("nat", "DOCKER"): ["-j RETURN"]}


def test_the_legacy_programs_write_all_at_once() -> None:
    """Each of their texts costs a whole table."""
    table = Table(SETTINGS)
    assert len(table.replace(many(2 * AT_ONCE), (), WITHOUT_LIMIT)) == 3
