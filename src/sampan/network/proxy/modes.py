"""The packet filters that can do the proxy's work, by the name users know them by."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from sampan.network.proxy.backend import Backend, Removable
from sampan.network.proxy.config import ProxyConfig
from sampan.network.proxy.ebpf.attachment import Programs
from sampan.network.proxy.ebpf.backend import EbpfBackend
from sampan.network.proxy.iptables.backend import IptablesBackend
from sampan.network.proxy.ipvs.backend import IpvsBackend
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings

BACKENDS: dict[str, Callable[[Settings], Backend]] = {
    "nftables": NftablesBackend,
    "iptables": IptablesBackend,
    "ipvs": IpvsBackend,
    "ebpf": EbpfBackend,
}

# What can be left behind, and which of it belongs to each mode.
PARTS: dict[str, Callable[[Settings], Removable]] = {
    "nftables": NftablesBackend,
    "iptables": IptablesBackend,
    "ipvs": IpvsBackend,
    "programs": Programs,
}
USED = {"nftables": {"nftables"}, "iptables": {"iptables"}, "ipvs": {"ipvs"}, "ebpf": {"nftables", "programs"}}


def chosen(config: ProxyConfig) -> dict[str, Backend]:
    """The backend of the configured mode for each address family."""
    make = partial(IpvsBackend, tuning=config.ipvs) if config.mode == "ipvs" else BACKENDS[config.mode]
    return {family.name: make(config.settings(family)) for family in config.families}


def former(config: ProxyConfig) -> list[Removable]:
    """What modes other than the configured one may have left, without what that uses itself."""
    return _parts(config, PARTS.keys() - USED[config.mode])


def all_parts(config: ProxyConfig) -> list[Removable]:
    """What any mode may have left."""
    return _parts(config, PARTS.keys())


def _parts(config: ProxyConfig, names: Collection[str]) -> list[Removable]:
    makers = PARTS | {"ipvs": partial(IpvsBackend, tuning=config.ipvs)}
    return [makers[name](config.settings(family)) for name in makers if name in names for family in config.families]
