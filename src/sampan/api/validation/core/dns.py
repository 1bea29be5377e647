"""Rules for a pod's name resolution. Source: API reference v1.36, PodDNSConfig, HostAlias."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.names import SUBDOMAIN_LENGTH, subdomain, too_long
from sampan.api.validation.core.context import Errors
from sampan.api.validation.network import ip
from sampan.api.validation.problems import each_invalid, invalid, not_supported, required

POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
NAMESERVERS = 3
SEARCH_PATHS = 32
SEARCH_CHARACTERS = 2048
UNDERSCORED = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
UNDERSCORED_FORM = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
)


def config(given: Any, policy: str | None, errors: Errors, path: str) -> None:
    servers = (given.nameservers if given is not None else None) or ()
    if policy == "None":
        if given is None:
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not servers:
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{path}.nameservers", text))
    if given is None:
        return
    if len(servers) > NAMESERVERS:
        errors.append(invalid(f"{path}.nameservers", servers, f"must not have more than {NAMESERVERS} nameservers"))
    for index, server in enumerate(servers):
        ip(server, errors, f"{path}.nameservers[{index}]")
    searches(given.searches or [], errors, f"{path}.searches")
    for index, option in enumerate(given.options or ()):
        if not option.name:
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))


def searches(given: list[str], errors: Errors, path: str) -> None:
    if len(given) > SEARCH_PATHS:
        errors.append(invalid(path, given, f"must not have more than {SEARCH_PATHS} search paths"))
    if len(" ".join(given)) > SEARCH_CHARACTERS:
        text = f"must not have more than {SEARCH_CHARACTERS} characters (including spaces) in the search list"
        errors.append(invalid(path, given, text))
    for index, search in enumerate(given):
        if search == ".":
            continue
        name = search.removesuffix(".")
        if len(name) > SUBDOMAIN_LENGTH:
            errors.append(invalid(f"{path}[{index}]", name, too_long(SUBDOMAIN_LENGTH, "characters")))
        if not UNDERSCORED.fullmatch(name):
            errors.append(invalid(f"{path}[{index}]", name, UNDERSCORED_FORM))


def host_aliases(given: Any, errors: Errors, path: str) -> None:
    for index, alias in enumerate(given):
        ip(alias.ip, errors, f"{path}[{index}].ip")
        for number, name in enumerate(alias.hostnames or ()):
            errors.extend(each_invalid(f"{path}[{index}].hostnames[{number}]", name, subdomain(name)))


def policy(value: str | None, errors: Errors, path: str) -> None:
    if value not in POLICIES:
        errors.append(not_supported(path, value, POLICIES) if value else required(path))
