"""What an administrator adds to cluster DNS: the ConfigMap kube-system/kube-dns. Pure.

`stubDomains` (JSON: a domain's servers) and `upstreamNameservers` (JSON: servers for all other names, instead of the
machine's) are kube-dns's, as in "Customizing DNS Service"; `hosts` holds lines as in hosts(5). A value that is wrong
is left out, and said.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from sampan.network.dns.records import Record, host_records
from sampan.network.dns.wire import encode_name

NAMESPACE, NAME = "kube-system", "kube-dns"
MOST_SERVERS = 15


class Customization(NamedTuple):
    """`stubs`: servers by domain (wire form); `upstreams` None: the machine's own; `problems`: what was left out."""

    stubs: dict[bytes, list[str]]
    upstreams: list[str] | None
    hosts: frozenset[Record]
    problems: list[str]


def read(config_map: Any) -> Customization:
    """What the ConfigMap says; nothing when there is none (None)."""
    data = (config_map.data if config_map is not None else None) or {}
    problems: list[str] = []

    def value(key: str, check: Callable[[Any], Any]) -> Any:
        try:
            return check(json.loads(data[key])) if key in data else None
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(f"{key}: {error}")
            return None

    stubs = value("stubDomains", lambda found: {encode_name(name): _servers(given) for name, given in found.items()})
    return Customization(
        stubs or {}, value("upstreamNameservers", _servers), host_records(data.get("hosts", "")), problems
    )


def _servers(given: Any) -> list[str]:
    if not isinstance(given, list) or len(given) > MOST_SERVERS:
        raise ValueError(f"a list of at most {MOST_SERVERS} addresses is needed")
    return [_server(text) for text in given]


def _server(text: Any) -> str:
    host, _, port = str(text).rpartition(":")
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        ipaddress.ip_address(host.strip("[]"))
        if not (port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError(f"{text!r} is no address with a port") from None
    return str(text)
