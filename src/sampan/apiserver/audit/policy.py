"""What is written of which request: the first rule that fits decides (audit.k8s.io/v1 Policy).

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Policy
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from sampan.api import names
from sampan.apiserver.auth.authorizer import Attributes
from sampan.apiserver.auth.configuration.document import Mistakes, load, parse
from sampan.apiserver.auth.user import User

GROUP = "audit.k8s.io"


class Level(enum.IntEnum):
    """How much is written: each says all that those before it say."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


LEVELS = {"None": Level.NONE, "Metadata": Level.METADATA, "Request": Level.REQUEST}
LEVELS["RequestResponse"] = Level.REQUEST_RESPONSE
WORDS = {level: word for word, level in LEVELS.items()}
RECEIVED, STARTED, COMPLETE, PANIC = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"
STAGES = (RECEIVED, STARTED, COMPLETE, PANIC)


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    group: str = ""
    resources: tuple[str, ...] = ()
    resourceNames: tuple[str, ...] = ()


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: str = ""
    users: tuple[str, ...] = ()
    userGroups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[_Group, ...] = ()
    namespaces: tuple[str, ...] = ()
    nonResourceURLs: tuple[str, ...] = ()
    omitStages: tuple[str, ...] = ()
    omitManagedFields: bool | None = None


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    metadata: dict[str, object] = {}
    rules: tuple[_Rule, ...] = ()
    omitStages: tuple[str, ...] = ()
    omitManagedFields: bool = False


class Verdict(NamedTuple):
    """How much of a request is written, at which stages nothing is, and whether who owns which field is left out."""

    level: Level
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


class Policy:
    """Rules in order."""

    def __init__(self, document: _Document) -> None:
        everywhere = frozenset(document.omitStages)
        self._rules = tuple((rule, _verdict(rule, document)) for rule in document.rules)
        self._otherwise = Verdict(Level.NONE, everywhere)

    def judge(self, user: User | None, asked: Attributes) -> Verdict:
        """`user` None: nobody whom anybody knows."""
        for rule, verdict in self._rules:
            if _by_user(rule, user) and (not rule.verbs or asked.verb in rule.verbs) and _by_target(rule, asked):
                return verdict
        return self._otherwise


def read(path: Path) -> Policy:
    """The policy of a file. Raises ConfigError."""
    document = parse(load(path), str(path), "Policy", ("v1",), _Document, group=GROUP)
    mistakes = Mistakes()
    if not document.rules:
        mistakes.required("rules", "a policy without rules would write nothing")
    _check_stages(document.omitStages, "omitStages", mistakes)
    for number, rule in enumerate(document.rules):
        _check(rule, f"rules[{number}]", mistakes)
    mistakes.check(str(path))
    return Policy(document)


def _verdict(rule: _Rule, document: _Document) -> Verdict:
    own = rule.omitManagedFields
    omit = document.omitManagedFields if own is None else own
    return Verdict(LEVELS[rule.level], frozenset((*document.omitStages, *rule.omitStages)), omit)


def _by_user(rule: _Rule, user: User | None) -> bool:
    if not rule.users and not rule.userGroups:
        return True
    if user is None or (rule.users and user.name not in rule.users):
        return False
    return not rule.userGroups or any(group in rule.userGroups for group in user.groups)


def _by_target(rule: _Rule, asked: Attributes) -> bool:
    if rule.namespaces or rule.resources:
        return not asked.path and _by_resource(rule, asked)
    if rule.nonResourceURLs:
        return bool(asked.path) and any(_is_below(asked.path, pattern) for pattern in rule.nonResourceURLs)
    return True


def _by_resource(rule: _Rule, asked: Attributes) -> bool:
    if rule.namespaces and asked.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_names(group, asked) for group in rule.resources)


def _names(group: _Group, asked: Attributes) -> bool:
    if group.group != asked.group:
        return False
    if not group.resources:
        return True
    if group.resourceNames and asked.name not in group.resourceNames:
        return False
    wanted = {"*", f"{asked.resource}/*"}
    wanted |= {f"{asked.resource}/{asked.subresource}", f"*/{asked.subresource}"} if asked.subresource else set()
    return any(one in wanted or (one == asked.resource and not asked.subresource) for one in group.resources)


def _is_below(path: str, pattern: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _check(rule: _Rule, field: str, mistakes: Mistakes) -> None:
    if not rule.level:
        mistakes.required(f"{field}.level")
    elif rule.level not in LEVELS:
        mistakes.unsupported(f"{field}.level", rule.level, tuple(LEVELS))
    if rule.nonResourceURLs and (rule.resources or rule.namespaces):
        why = "rules cannot apply to both regular resources and non-resource URLs"
        mistakes.invalid(f"{field}.nonResourceURLs", list(rule.nonResourceURLs), why)
    for number, url in enumerate(rule.nonResourceURLs):
        _check_url(url, f"{field}.nonResourceURLs[{number}]", mistakes)
    for number, group in enumerate(rule.resources):
        where = f"{field}.resources[{number}]"
        if group.group and names.subdomain(group.group):
            mistakes.invalid(f"{where}.group", group.group, "want the name of a group without a version")
        if group.resourceNames and not group.resources:
            why = "using resourceNames requires at least one resource"
            mistakes.invalid(f"{where}.resourceNames", list(group.resourceNames), why)
    _check_stages(rule.omitStages, f"{field}.omitStages", mistakes)


def _check_url(url: str, field: str, mistakes: Mistakes) -> None:
    if url == "*":
        return
    if not url.startswith("/"):
        mistakes.invalid(field, url, "non-resource URL rules must begin with a '/' character")
    if "*" in url[:-1]:
        mistakes.invalid(field, url, "non-resource URL wildcards '*' must be the final character of the rule")


def _check_stages(stages: Sequence[str], field: str, mistakes: Mistakes) -> None:
    for number, stage in enumerate(stages):
        if stage not in STAGES:
            mistakes.unsupported(f"{field}[{number}]", stage, STAGES)
