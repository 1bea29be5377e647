"""Rules for host ports, which the CNI plugin `portmap` makes when a pod starts: made again when somebody flushed them.

What each pod was given is in the cache that runtimes keep by libcni, the reference library (containerd and CRI-O do).
Whether its rules are there is seen by its chains, which it names after the pod: its own check (CHECK, as of 1.1) asks
for rules of both address families of a pod that has one. It makes them again by ADD with the result of before. A pod
that ends loses its rules a moment before its place in the cache: so nothing is made again that was not missing twice.
Source: CNI specification 1.0.0 (ADD), libcni's `cachedInfo`, the documentation of `portmap`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sampan.network.command import Result, run
from sampan.network.netfilter import RuleSet

log = logging.getLogger(__name__)

CACHE = Path("/var/lib/cni/results")
PLUGIN = "portmap"
ENTRANCE = "CNI-HOSTPORT-DNAT"
SHARED = ("PREROUTING", "OUTPUT", "POSTROUTING", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK")
"""Chains of which none is without a rule while a pod has host ports."""
LONGEST_NAME = 28
"""Of a chain of iptables'."""
FAMILIES = {4: "ip", 6: "ip6"}

Range = ipaddress.IPv4Network | ipaddress.IPv6Network


class Cached(msgspec.Struct, rename="camel"):
    """A file of the cache. `config` is the whole configuration list, which msgspec takes out of base64."""

    container_id: str
    if_name: str
    network_name: str
    config: bytes
    result: dict[str, Any]
    cni_args: list[tuple[str, str]] | None = None
    capability_args: dict[str, Any] | None = None


class Attachment(NamedTuple):
    """A pod with host ports: what the plugin is told, and in which chain of which families' tables its rules are."""

    file: Path
    chain: str
    families: frozenset[str]
    surroundings: tuple[str, ...]
    configuration: str


class HostPorts:
    """Those of the pods with addresses in `ranges`; `plugins` is the folder of the plugin, `cache` the runtime's."""

    def __init__(self, ranges: Sequence[Range], plugins: Path, kernel: RuleSet, cache: Path = CACHE) -> None:
        self._ranges = ranges
        self._plugins = plugins
        self._kernel = kernel
        self._cache = cache
        self._read: dict[Path, Attachment | None] = {}
        self._missing: set[Path] = set()
        self._given_up: set[Path] = set()

    @property
    def unsure(self) -> bool:
        """Whether there is something to be looked at again."""
        return bool(self._missing)

    async def mend(self) -> list[str]:
        """What was done, for a person. Raises OSError."""
        missing = {each.file: each for each in self._lacking()}
        again, self._missing = missing.keys() & self._missing, set(missing)
        return [remark for file in sorted(again) for remark in await self._make(missing[file])]

    async def _make(self, attachment: Attachment) -> list[str]:
        result = await self._call("ADD", attachment)
        if not attachment.file.exists():
            await self._call("DEL", attachment)
        elif result.code or attachment in self._lacking():
            # Of the legacy programs, which are not seen here, or that cannot be made: asking again would not help.
            self._given_up.add(attachment.file)
            log.warning("rules for host ports are not seen pod=%s error=%s", attachment.file.name, result.complaint)
        else:
            return [f"somebody has taken the rules for the host ports of {attachment.file.name} away: made anew"]
        return []

    def _lacking(self) -> Iterator[Attachment]:
        wanted = [each for each in self._attachments() if each.file not in self._given_up]
        for family in FAMILIES.values():
            here = [each for each in wanted if family in each.families]
            hurt = bool(here) and self._count(family, ENTRANCE) < len(here)
            hurt |= bool(here) and not all(self._count(family, chain) for chain in SHARED)
            yield from (each for each in here if hurt or not self._count(family, each.chain))

    def _count(self, family: str, chain: str) -> int:
        return self._kernel.rule_count(family, "nat", chain)

    def _attachments(self) -> Iterator[Attachment]:
        files = set(self._cache.iterdir()) if self._cache.is_dir() else set()
        self._read = {file: found for file, found in self._read.items() if file in files}
        for file in sorted(files):
            if file not in self._read:
                try:
                    self._read[file] = attachment(file, file.read_bytes(), self._ranges)
                except (OSError, msgspec.MsgspecError, ValueError):
                    continue  # Gone, or not yet written to its end.
            if (found := self._read[file]) is not None:
                yield found

    async def _call(self, verb: str, attachment: Attachment) -> Result:
        words = (f"CNI_COMMAND={verb}", *attachment.surroundings, f"CNI_PATH={self._plugins}")
        return await run(("env", *words, str(self._plugins / PLUGIN)), attachment.configuration)


def attachment(file: Path, text: bytes, ranges: Sequence[Range]) -> Attachment | None:
    """Of a file of the cache; None when it is no pod of these ranges or has no host ports. Raises MsgspecError."""
    cached = msgspec.json.decode(text, type=Cached)
    ports = (cached.capability_args or {}).get("portMappings")
    listed = msgspec.json.decode(cached.config)
    plugin = next((each for each in listed.get("plugins", ()) if each.get("type") == PLUGIN), None)
    addresses = [ipaddress.ip_interface(each["address"]).ip for each in cached.result.get("ips", ())]
    if not ports or plugin is None or not any(one in network for one in addresses for network in ranges):
        return None
    digest = hashlib.sha512(f"{cached.network_name}{cached.container_id}".encode()).hexdigest()
    told = {
        **plugin,
        "name": cached.network_name,
        "cniVersion": listed["cniVersion"],
        "runtimeConfig": {"portMappings": ports},
        "prevResult": cached.result,
    }
    arguments = ";".join(f"{name}={value}" for name, value in cached.cni_args or ())
    surroundings = {
        "CNI_CONTAINERID": cached.container_id,
        "CNI_IFNAME": cached.if_name,
        "CNI_ARGS": arguments,
        # It works on the node's rules alone and does not enter the pod; newer ones want to hear that this is meant.
        "CNI_NETNS": "/proc/self/ns/net",
        "CNI_NETNS_OVERRIDE": "true",
    }
    words = tuple(f"{name}={value}" for name, value in surroundings.items())
    families = frozenset(FAMILIES[one.version] for one in addresses)
    chain = f"CNI-DN-{digest}"[:LONGEST_NAME]
    return Attachment(file, chain, families, words, msgspec.json.encode(told).decode())
