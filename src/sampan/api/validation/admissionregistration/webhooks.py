"""Rules for webhook configurations. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sampan.api.errors import FieldError
from sampan.api.names import label_1035, subdomain
from sampan.api.validation.admissionregistration.matching import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATIONS,
    match_conditions,
    rule_with_operations,
)
from sampan.api.validation.expressions import REQUEST
from sampan.api.validation.network import PORT_RANGE
from sampan.api.validation.problems import duplicate, each_invalid, invalid, not_supported, required
from sampan.api.validation.selectors import label_selector

Errors = list[FieldError]

SIDE_EFFECTS = ("None", "NoneOnDryRun")
REVIEW_VERSIONS = ("v1", "v1beta1")
URL_FORM = "desired format: https://host[/path]"


def create_validating(obj: Any, errors: Errors) -> None:
    webhooks(obj.webhooks or (), errors, mutating=False)


def create_mutating(obj: Any, errors: Errors) -> None:
    webhooks(obj.webhooks or (), errors, mutating=True)


def update_validating(new: Any, old: Any, errors: Errors) -> None:
    create_validating(new, errors)


def update_mutating(new: Any, old: Any, errors: Errors) -> None:
    create_mutating(new, errors)


def webhooks(given: Any, errors: Errors, *, mutating: bool) -> None:
    names: set[str] = set()
    for index, hook in enumerate(given):
        path = f"webhooks[{index}]"
        webhook(hook, errors, path)
        if mutating and hook.reinvocationPolicy is not None and hook.reinvocationPolicy not in REINVOCATIONS:
            errors.append(not_supported(f"{path}.reinvocationPolicy", hook.reinvocationPolicy, REINVOCATIONS))
        review_versions(hook.admissionReviewVersions or [], errors, f"{path}.admissionReviewVersions")
        name = hook.name or ""
        if name:
            if name in names:
                errors.append(duplicate(f"{path}.name", name))
            names.add(name)


def webhook(hook: Any, errors: Errors, path: str) -> None:
    fully_qualified(hook.name, errors, f"{path}.name")
    for index, rule in enumerate(hook.rules or ()):
        rule_with_operations(rule, errors, f"{path}.rules[{index}]")
    for field, supported in (("failurePolicy", FAILURE_POLICIES), ("matchPolicy", MATCH_POLICIES)):
        value = getattr(hook, field)
        if value is not None and value not in supported:
            errors.append(not_supported(f"{path}.{field}", value, supported))
    if hook.sideEffects is None:
        errors.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif hook.sideEffects not in SIDE_EFFECTS:
        errors.append(not_supported(f"{path}.sideEffects", hook.sideEffects, SIDE_EFFECTS))
    seconds = hook.timeoutSeconds
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", seconds, text))
    label_selector(hook.namespaceSelector, errors, f"{path}.namespaceSelector")
    label_selector(hook.objectSelector, errors, f"{path}.objectSelector")
    client_config(hook.clientConfig, errors, f"{path}.clientConfig")
    match_conditions(hook.matchConditions or (), REQUEST, errors, f"{path}.matchConditions")


def fully_qualified(name: str | None, errors: Errors, path: str) -> None:
    """A name with a domain of its own."""
    if not name:
        errors.append(required(path))
    elif wrong := subdomain(name):
        errors.extend(each_invalid(path, name, wrong))
    elif len(name.split(".")) < 3:
        errors.append(invalid(path, name, "should be a domain with at least three segments separated by dots"))


def client_config(config: Any, errors: Errors, path: str) -> None:
    if (config.url is None) == (config.service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif config.url is not None:
        webhook_url(config.url, errors, f"{path}.url")
    else:
        webhook_service(config.service, errors, f"{path}.service")


def webhook_url(text: str, errors: Errors, path: str) -> None:
    try:
        url = urlsplit(text)
    except ValueError as error:
        errors.append(required(path, f"url must be a valid URL: {error}; {URL_FORM}"))
        return
    if url.scheme != "https":
        errors.append(invalid(path, url.scheme, f"'https' is the only allowed URL scheme; {URL_FORM}"))
    if not url.netloc:
        errors.append(invalid(path, url.netloc, f"host must be specified; {URL_FORM}"))
    if "@" in url.netloc:
        user = url.netloc.rpartition("@")[0]
        errors.append(invalid(path, user, f"user information is not permitted in the URL; {URL_FORM}"))
    if url.fragment:
        errors.append(invalid(path, url.fragment, f"fragments are not permitted in the URL; {URL_FORM}"))
    if url.query:
        errors.append(invalid(path, url.query, f"query parameters are not permitted in the URL; {URL_FORM}"))


def webhook_service(service: Any, errors: Errors, path: str) -> None:
    # Upstream tells a missing name at `namespace` and the other way round; clients see it so.
    if not service.namespace:
        errors.append(required(f"{path}.name"))
    if not service.name:
        errors.append(required(f"{path}.namespace"))
    if service.port is not None and not 1 <= service.port <= 65535:
        errors.append(invalid(f"{path}.port", service.port, f"port is not valid: {PORT_RANGE}"))
    if service.path is not None:
        service_path(service.path, errors, f"{path}.path")


def service_path(text: str, errors: Errors, path: str) -> None:
    if text in ("", "/"):
        return
    if text == "//":
        errors.append(invalid(path, text, "segment[0] may not be empty"))
        return
    if not text.startswith("/"):
        errors.append(invalid(path, text, "must start with a '/'"))
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid(path, text, f"segment[{index}] may not be empty"))
            continue
        errors.extend(invalid(path, text, f"segment[{index}]: {wrong}") for wrong in subdomain(step))


def review_versions(given: list[str], errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path, "must specify one of v1, v1beta1"))
        return
    seen: set[str] = set()
    for index, version in enumerate(given):
        if version in seen:
            errors.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        seen.add(version)
        errors.extend(each_invalid(f"{path}[{index}]", version, label_1035(version)))
    if not seen & set(REVIEW_VERSIONS):
        errors.append(invalid(path, given, "must include at least one of v1, v1beta1"))
