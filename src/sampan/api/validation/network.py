"""Addresses, networks and ports as the API writes them. Source: API reference v1.36; RFC 4291, RFC 4632, RFC 6335."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import port_name
from sampan.api.remembered import remembered
from sampan.api.validation.problems import each_invalid, invalid, not_supported, required

Errors = list[FieldError]

IP_FORM = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_FORM = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
LEADING_ZEROS = "must not have leading 0s"
MAPPED = "must not be an IPv4-mapped IPv6 address"
STRAY_BITS = "must not have bits set beyond the prefix length"
PORT_RANGE = "must be between 1 and 65535, inclusive"
PROTOCOLS = ("SCTP", "TCP", "UDP")


@remembered(4096)
def parse_address(text: str) -> Any:
    """An IPv4Address or IPv6Address (no zone), None when the text is neither."""
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None


@remembered(1024)
def parse_network(text: str) -> Any:
    """An IPv4Interface or IPv6Interface, None when the text is no CIDR."""
    _, slash, length = text.partition("/")
    if not slash or not length.isdigit() or (len(length) > 1 and length[0] == "0"):
        return None
    try:
        return ipaddress.ip_interface(text) if "%" not in text else None
    except ValueError:
        return None


@remembered(4096)
def address_problem(text: str) -> str:
    """What is wrong with an address; empty when nothing is."""
    parsed = parse_address(text)
    if parsed is None:
        return LEADING_ZEROS if parse_address(_without_zeros(text)) is not None else IP_FORM
    return MAPPED if parsed.version == 6 and parsed.ipv4_mapped is not None else ""


@remembered(1024)
def network_problem(text: str) -> str:
    """What is wrong with a CIDR; empty when nothing is."""
    parsed = parse_network(text)
    if parsed is None:
        address, slash, length = text.partition("/")
        return LEADING_ZEROS if parse_network(f"{_without_zeros(address)}{slash}{length}") is not None else CIDR_FORM
    return "" if parsed.ip == parsed.network.network_address else STRAY_BITS


def _without_zeros(text: str) -> str:
    return re.sub(r"(?<![0-9a-fA-F:])0+(?=[0-9])", "", text)


def ip(text: str | None, errors: Errors, path: str) -> None:
    if problem := address_problem(text or ""):
        errors.append(invalid(path, text or "", problem))


def cidr(text: str | None, errors: Errors, path: str) -> None:
    if problem := network_problem(text or ""):
        errors.append(invalid(path, text or "", problem))


def routable(text: str, errors: Errors, path: str) -> None:
    """An address that may be an endpoint's: none that means this host, this link or many hosts."""
    address = parse_address(text)
    if address is None:
        errors.append(invalid(path, text, "must be a valid IP address"))
        return
    if address.is_unspecified:
        errors.append(invalid(path, text, "may not be unspecified (0.0.0.0 or ::)"))
    if address.is_loopback:
        errors.append(invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        errors.append(invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address.is_multicast and (
        (address.version == 4 and str(address).startswith("224.0.0.")) or _link_local_multicast(address)
    ):
        errors.append(invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))


def _link_local_multicast(address: Any) -> bool:
    return bool(address.version == 6 and (address.packed[1] & 0x0F) == 2)


def port(number: int | None, errors: Errors, path: str) -> None:
    if not number or not 1 <= number <= 65535:
        errors.append(invalid(path, number or 0, PORT_RANGE))


def port_or_name(value: int | str | None, errors: Errors, path: str) -> None:
    if isinstance(value, str):
        errors.extend(each_invalid(path, value, port_name(value)))
    else:
        port(value, errors, path)


def protocol(value: str | None, errors: Errors, path: str) -> None:
    if not value:
        errors.append(required(path))
    elif value not in PROTOCOLS:
        errors.append(not_supported(path, value, PROTOCOLS))
