"""The two ways to nftables, library and program, and what the kernel says about its rules."""

from __future__ import annotations

import pytest

from sampan.network import nft
from sampan.network.errors import RefusedByKernel
from sampan.network.netfilter import Chain, RuleSet

from .world import World

TABLE = """\
table ip t {
  set s { type ipv4_addr; elements = { 1.2.3.4, 1.2.3.5 } }
  chain c {
    type filter hook forward priority 0; policy drop;
    accept
  }
  chain empty { }
}
"""


@pytest.mark.parametrize("library", ["libnftables.so.1", "libnowhere.so"])
def test_all_or_nothing(world: World, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft, "LIBRARY", library)
    session = nft.Session()
    world.run(session.apply(TABLE))
    with pytest.raises(RefusedByKernel, match="No such file or directory"):
        world.run(session.apply("add chain ip t another\nadd element ip t nowhere { 1.2.3.4 }\n"))
    with pytest.raises(RefusedByKernel, match="syntax error"):
        world.run(session.apply("add nonsense\n"))
    world.run(session.apply("add chain ip t third\n"))
    session.close()
    tables = world.command("nft", "list", "table", "ip", "t")
    assert "another" not in tables
    assert "third" in tables


def test_what_the_kernel_holds(world: World) -> None:
    rules = RuleSet()

    async def before_and_after() -> tuple[int, int]:
        before = rules.generation()
        await nft.apply(TABLE)
        return before, rules.generation()

    before, after = world.run(before_and_after())
    assert after > before
    mine = {chain for chain in rules.chains() if chain.table == "t"}
    assert mine == {Chain("ip", "t", "c", "forward", True), Chain("ip", "t", "empty", "", False)}
    assert rules.rule_counts("ip", "t") == {"c": 1}
    assert rules.rule_counts("ip6", "t") == {}
    assert rules.element_counts("ip", "t") == {"s": 2}
    world.command("nft", "table ip6 t { chain c { accept; drop; }; }")
    assert (rules.rule_counts("ip", "t"), rules.rule_counts("ip6", "t")) == ({"c": 1}, {"c": 2}), "of one name each"
    rules.close()
