"""The packet filters that can do the proxy's work, by the name users know them by."""

from __future__ import annotations

from collections.abc import Callable

from sampan.network.proxy.backend import Backend
from sampan.network.proxy.config import ProxyConfig
from sampan.network.proxy.ebpf.backend import EbpfBackend
from sampan.network.proxy.iptables.backend import IptablesBackend
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings

BACKENDS: dict[str, Callable[[Settings], Backend]] = {
    "nftables": NftablesBackend,
    "iptables": IptablesBackend,
    "ebpf": EbpfBackend,
}


def chosen(config: ProxyConfig) -> dict[str, Backend]:
    """The backend of the configured mode for each address family."""
    make = BACKENDS[config.mode]
    return {family.name: make(config.settings(family)) for family in config.families}


def former(config: ProxyConfig) -> list[Backend]:
    """Backends of all other modes, whose rules may be left from before."""
    return [
        make(config.settings(family))
        for mode, make in BACKENDS.items()
        for family in config.families
        if mode != config.mode
    ]
