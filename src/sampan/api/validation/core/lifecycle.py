"""Rules for probes and lifecycle hooks. Source: API reference v1.36, Probe, Lifecycle."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.validation.core.context import Errors
from sampan.api.validation.network import port, port_or_name
from sampan.api.validation.numbers import not_negative
from sampan.api.validation.problems import forbidden, invalid, not_supported, required

TIMES = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
SCHEMES = ("HTTP", "HTTPS")
HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
HEADER_FORM = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)
PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")


def probe(given: Any, grace: int | None, errors: Errors, path: str) -> None:
    handler(given, PROBE_HANDLERS, grace, errors, path)
    for name in TIMES:
        value = getattr(given, name)
        if value is not None and value < 0:
            not_negative(value, errors, f"{path}.{name}")
    seconds = given.terminationGracePeriodSeconds
    if seconds is not None and seconds <= 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0"))


def single_success_probe(given: Any, grace: int | None, errors: Errors, path: str) -> None:
    """A liveness or startup probe."""
    probe(given, grace, errors, path)
    if given.successThreshold != 1:
        errors.append(invalid(f"{path}.successThreshold", given.successThreshold, "must be 1"))


def readiness_probe(given: Any, grace: int | None, errors: Errors, path: str) -> None:
    probe(given, grace, errors, path)
    seconds = given.terminationGracePeriodSeconds
    if seconds is not None:
        text = "must not be set for readinessProbes"
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", seconds, text))


def lifecycle(given: Any, grace: int | None, errors: Errors, path: str) -> None:
    if given.postStart is not None:
        handler(given.postStart, HOOK_HANDLERS, grace, errors, f"{path}.postStart")
    if given.preStop is not None:
        handler(given.preStop, HOOK_HANDLERS, grace, errors, f"{path}.preStop")


def handler(given: Any, kinds: tuple[str, ...], grace: int | None, errors: Errors, path: str) -> None:
    """One action of exactly one sort."""
    found = 0
    for name in kinds:
        action = getattr(given, name)
        if action is None:
            continue
        found += 1
        if found > 1:
            errors.append(forbidden(f"{path}.{name}", "may not specify more than 1 handler type"))
        elif name == "sleep":
            sleep(action, grace, errors, f"{path}.sleep")
        else:
            ACTIONS[name](action, errors, f"{path}.{name}")
    if not found:
        errors.append(required(path, "must specify a handler type"))


def execute(action: Any, errors: Errors, path: str) -> None:
    if not action.command:
        errors.append(required(f"{path}.command"))


def http_get(action: Any, errors: Errors, path: str) -> None:
    if not action.path:
        errors.append(required(f"{path}.path"))
    port_or_name(action.port, errors, f"{path}.port")
    if action.scheme not in SCHEMES:
        errors.append(not_supported(f"{path}.scheme", action.scheme or "", SCHEMES))
    for header in action.httpHeaders or ():
        if not HEADER_NAME.fullmatch(header.name or ""):
            errors.append(invalid(f"{path}.httpHeaders", header.name or "", HEADER_FORM))


def tcp_socket(action: Any, errors: Errors, path: str) -> None:
    port_or_name(action.port, errors, f"{path}.port")


def grpc(action: Any, errors: Errors, path: str) -> None:
    port(action.port, errors, f"{path}.port")


def sleep(action: Any, grace: int | None, errors: Errors, path: str) -> None:
    seconds = action.seconds or 0
    if grace is not None and not 0 <= seconds <= grace:
        text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        errors.append(invalid(path, seconds, text))


ACTIONS: dict[str, Any] = {"exec": execute, "httpGet": http_get, "tcpSocket": tcp_socket, "grpc": grpc}
