"""AuthorizationConfiguration: the authorizers in order, checked.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#using-configuration-file-for-authorization
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec

from sampan.api import names
from sampan.apiserver.auth.authorizer import Decision
from sampan.apiserver.auth.configuration import document
from sampan.apiserver.auth.configuration.document import Mistakes
from sampan.apiserver.auth.options import MODES, WEBHOOK
from sampan.apiserver.auth.webhook import matching
from sampan.apiserver.auth.webhook.authorizer import Settings
from sampan.codec.cel.environment import Program
from sampan.codec.cel.errors import CelError

KIND = "AuthorizationConfiguration"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
REVIEW_VERSIONS = ("v1", "v1beta1")
CONNECTIONS = ("InClusterConfig", "KubeConfigFile")
POLICIES = {"NoOpinion": Decision.NO_OPINION, "Deny": Decision.DENY}
MOST_CONDITIONS = 64
MOST_SECONDS = 30.0


class ConnectionInfo(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    type: str = ""
    kubeConfigFile: str | None = None


class MatchCondition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    expression: str = ""


class WebhookConfiguration(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Durations as Go writes them; the TTLs have the defaults of the flags."""

    timeout: str = ""
    authorizedTTL: str = "5m"
    unauthorizedTTL: str = "30s"
    cacheAuthorizedRequests: bool = True
    cacheUnauthorizedRequests: bool = True
    subjectAccessReviewVersion: str = ""
    matchConditionSubjectAccessReviewVersion: str = ""
    failurePolicy: str = ""
    connectionInfo: ConnectionInfo = ConnectionInfo()
    matchConditions: tuple[MatchCondition, ...] = ()


class Authorizer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    type: str = ""
    name: str = ""
    webhook: WebhookConfiguration | None = None


class AuthorizationConfiguration(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    apiVersion: str = ""
    kind: str = ""
    authorizers: tuple[Authorizer, ...] = ()
    metadata: Any = None


class WebhookUse(msgspec.Struct, frozen=True):
    """A webhook authorizer that has been checked. `seconds` bound one question."""

    settings: Settings
    kubeconfig: Path
    seconds: float


Checked = tuple[tuple[str, WebhookUse | None], ...]
"""Types in order, with what a webhook needs."""


def read(path: Path) -> Checked:
    """A file's authorizers. Raises ConfigError, naming every field that will not do."""
    config = document.parse(document.load(path), str(path), KIND, VERSIONS, AuthorizationConfiguration)
    return check(config, str(path))


def check(config: AuthorizationConfiguration, source: str) -> Checked:
    """Raises ConfigError."""
    mistakes = Mistakes()
    if not config.authorizers:
        mistakes.required("authorizers", "at least one authorization mode must be defined")
    made = []
    for number, authorizer in enumerate(config.authorizers):
        at = f"authorizers[{number}]"
        before = config.authorizers[:number]
        if not _check_type(at, authorizer, [one.type for one in before], mistakes):
            continue
        _check_name(at, authorizer.name, [one.name for one in before], mistakes)
        made.append((authorizer.type, _webhook(at, authorizer, mistakes)))
    mistakes.check(source)
    return tuple(made)


def _check_type(at: str, authorizer: Authorizer, before: list[str], mistakes: Mistakes) -> bool:
    kind = authorizer.type
    if not kind:
        mistakes.required(f"{at}.type")
    elif kind not in MODES:
        mistakes.unsupported(f"{at}.type", kind, MODES)
    elif kind in before and kind != WEBHOOK:
        mistakes.duplicate(f"{at}.type", kind)
    else:
        return True
    return False


def _check_name(at: str, name: str, before: list[str], mistakes: Mistakes) -> None:
    if not name:
        mistakes.required(f"{at}.name")
    elif name in before:
        mistakes.duplicate(f"{at}.name", name)
    elif wrong := names.subdomain(name):
        mistakes.invalid(f"{at}.name", name, f"authorizer name is invalid: {', '.join(wrong)}")


def _webhook(at: str, authorizer: Authorizer, mistakes: Mistakes) -> WebhookUse | None:
    webhook = authorizer.webhook
    if authorizer.type != WEBHOOK:
        if webhook is not None:
            mistakes.invalid(f"{at}.webhook", "non-null", "may only be specified when type=Webhook")
        return None
    if webhook is None:
        mistakes.required(f"{at}.webhook", "required when type=Webhook")
        return None
    at = f"{at}.webhook"
    seconds = _seconds(f"{at}.timeout", webhook.timeout, mistakes, MOST_SECONDS)
    allowed = _seconds(f"{at}.authorizedTTL", webhook.authorizedTTL, mistakes)
    refused = _seconds(f"{at}.unauthorizedTTL", webhook.unauthorizedTTL, mistakes)
    _check_versions(at, webhook, mistakes)
    if not webhook.failurePolicy:
        mistakes.required(f"{at}.failurePolicy")
    elif webhook.failurePolicy not in POLICIES:
        mistakes.unsupported(f"{at}.failurePolicy", webhook.failurePolicy, tuple(POLICIES))
    kubeconfig = _connection(f"{at}.connectionInfo", webhook.connectionInfo, mistakes)
    settings = Settings(
        name=authorizer.name,
        version=webhook.subjectAccessReviewVersion,
        authorized_seconds=allowed if webhook.cacheAuthorizedRequests else 0.0,
        unauthorized_seconds=refused if webhook.cacheUnauthorizedRequests else 0.0,
        on_failure=POLICIES.get(webhook.failurePolicy, Decision.DENY),
        conditions=_conditions(f"{at}.matchConditions", webhook.matchConditions, mistakes),
    )
    return WebhookUse(settings, kubeconfig, seconds)


def _seconds(at: str, text: str, mistakes: Mistakes, most: float | None = None) -> float:
    """A duration above zero."""
    if not text:
        mistakes.required(at)
        return 0.0
    try:
        found = document.seconds(text)
    except ValueError as error:
        mistakes.invalid(at, text, str(error))
        return 0.0
    if found <= 0 or (most is not None and found > most):
        mistakes.invalid(at, text, "must be > 0s" + (f" and <= {most:g}s" if most is not None else ""))
    return found


def _check_versions(at: str, webhook: WebhookConfiguration, mistakes: Mistakes) -> None:
    version, for_conditions = webhook.subjectAccessReviewVersion, webhook.matchConditionSubjectAccessReviewVersion
    if not version:
        mistakes.required(f"{at}.subjectAccessReviewVersion")
    elif version not in REVIEW_VERSIONS:
        mistakes.unsupported(f"{at}.subjectAccessReviewVersion", version, REVIEW_VERSIONS)
    if not for_conditions and webhook.matchConditions:
        why = "required if match conditions are specified"
        mistakes.required(f"{at}.matchConditionSubjectAccessReviewVersion", why)
    elif for_conditions not in ("", "v1"):
        mistakes.unsupported(f"{at}.matchConditionSubjectAccessReviewVersion", for_conditions, ("v1",))


def _connection(at: str, connection: ConnectionInfo, mistakes: Mistakes) -> Path:
    file = connection.kubeConfigFile
    if not connection.type:
        mistakes.required(f"{at}.type")
    elif connection.type not in CONNECTIONS:
        mistakes.unsupported(f"{at}.type", connection.type, CONNECTIONS)
    elif connection.type == "InClusterConfig":
        why = "the API server is no pod here: use KubeConfigFile and name a kubeconfig"
        mistakes.invalid(f"{at}.type", connection.type, why)
    elif not file:
        mistakes.required(f"{at}.kubeConfigFile")
    elif not Path(file).is_absolute():
        mistakes.invalid(f"{at}.kubeConfigFile", file, "must be an absolute path")
    elif problem := _unreadable(Path(file)):
        mistakes.invalid(f"{at}.kubeConfigFile", file, problem)
    return Path(file or "")


def _unreadable(file: Path) -> str:
    try:
        return "" if stat.S_ISREG(file.stat().st_mode) else "must be a regular file"
    except OSError as error:
        return f"error loading file: {error.strerror}"


def _conditions(at: str, conditions: tuple[MatchCondition, ...], mistakes: Mistakes) -> tuple[Program, ...]:
    if len(conditions) > MOST_CONDITIONS:
        mistakes.too_many(at, len(conditions), MOST_CONDITIONS)
        return ()
    made = []
    for number, condition in enumerate(conditions):
        field, source = f"{at}[{number}].expression", condition.expression
        if not source.strip():
            mistakes.required(field)
        elif condition in conditions[:number]:
            mistakes.duplicate(field, source)
        else:
            try:
                made.append(matching.compiled(source))
            except CelError as error:
                mistakes.invalid(field, source, str(error))
    return tuple(made)
