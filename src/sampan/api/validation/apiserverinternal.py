"""Rules of the internal.apiserver.k8s.io group: which versions servers store objects in (KEP-2339)."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label_1035, qualified, subdomain
from sampan.api.validation.problems import each_invalid, invalid, required
from sampan.api.validation.rule import Rule

GROUP = "internal.apiserver.k8s.io"
Errors = list[FieldError]

NO_COMMON = (
    "should be nil if servers do not agree on the same encoding version, or if there is no server reporting the "
    "supported versions yet"
)
FORM = (
    "an apiVersion is a DNS-1035 label, which must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?') with an optional DNS subdomain prefix and '/' (e.g. "
    "'example.com/MyVersion')"
)
EMPTY = "must be non-empty"


def name(text: str) -> list[str]:
    """`<group>.<resource>`."""
    group, dot, resource = text.rpartition(".")
    if not dot:
        return ["name must be in the form of <group>.<resource>"]
    wrong = [f"the group segment {w}" for w in subdomain(group)]
    return wrong + [f"the resource segment {w}" for w in label_1035(resource)]


def update_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    if status is None:
        return
    for index, server in enumerate(status.storageVersions or ()):
        server_version(server, errors, f"status.storageVersions[{index}]")
    common_version(status, errors)
    seen: dict[str, int] = {}
    for index, condition in enumerate(status.conditions or ()):
        condition_of(condition, seen, index, errors)


def server_version(server: Any, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(f"{path}.apiServerID", server.apiServerID or "", subdomain(server.apiServerID or "")))
    encoding, decodable = server.encodingVersion or "", server.decodableVersions or []
    if wrong := api_version(encoding):
        errors.append(invalid(f"{path}.encodingVersion", encoding, ",".join(wrong)))
    for index, version in enumerate(decodable):
        if wrong := api_version(version):
            errors.append(invalid(f"{path}.decodableVersions[{index}]", version, ",".join(wrong)))
    if encoding not in decodable:
        text = f"decodableVersions must include encodingVersion {encoding}"
        errors.append(invalid(f"{path}.decodableVersions", decodable, text))


def api_version(text: str) -> list[str]:
    """What is wrong with `[group/]version`."""
    if text.count("/") > 1:
        return [FORM]
    group, slash, version = text.rpartition("/")
    wrong = [f"group part: {w}" for w in (subdomain(group) if group else (EMPTY,))] if slash else []
    return wrong + [f"version part: {w}" for w in (label_1035(version) if version else (EMPTY,))]


def common_version(status: Any, errors: Errors) -> None:
    """What all servers encode in, when they agree."""
    path, told = "status.commonEncodingVersion", status.commonEncodingVersion
    used = {server.encodingVersion for server in status.storageVersions or ()}
    common = used.pop() if len(used) == 1 else None
    if told == common:
        return
    if common is None:
        errors.append(invalid(path, told, NO_COMMON))
    elif told is None:
        errors.append(invalid(path, None, f"the common encoding version is {common}"))
    else:
        errors.append(invalid(path, told, f"the actual common encoding version is {common}"))


def condition_of(condition: Any, seen: dict[str, int], index: int, errors: Errors) -> None:
    path, kind = f"status[{index}]", condition.type or ""
    if kind in seen:
        text = f"the type of the condition is not unique, it also appears in conditions[{seen[kind]}]"
        errors.append(invalid(f"{path}.type", kind, text))
    seen[kind] = index
    errors.extend(each_invalid(f"{path}.type", kind, qualified(kind)))
    errors.extend(each_invalid(f"{path}.status", kind, qualified(condition.status or "")))
    for field in ("reason", "message"):
        if not getattr(condition, field):
            errors.append(required(f"{path}.{field}", f"{field} cannot be empty"))


RULES: dict[str, Rule] = {"StorageVersion": Rule(name=name, subresources={"status": update_status})}
