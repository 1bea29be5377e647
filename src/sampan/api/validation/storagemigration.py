"""Rules of the storagemigration.k8s.io group (KEP-4192). Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label_1035, subdomain
from sampan.api.validation.conditions import conditions, is_true
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import invalid, required
from sampan.api.validation.rule import Rule

GROUP = "storagemigration.k8s.io"
Errors = list[FieldError]

SUCCEEDED, FAILED, RUNNING = "Succeeded", "Failed", "Running"
BOTH = "Both success and failed conditions cannot be true at the same time"


def create(obj: Any, errors: Errors) -> None:
    wanted = obj.spec.resource
    resource, group = (wanted.resource or "", wanted.group or "") if wanted is not None else ("", "")
    if not resource:
        errors.append(required("spec.resource.resource", "resource is required to be set"))
    elif wrong := label_1035(resource):
        errors.append(invalid("spec.resource.resource", resource, ",".join(wrong)))
    if group and (wrong := subdomain(group)):
        errors.append(invalid("spec.resource.group", group, ",".join(wrong)))


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)
    immutable(new.spec, old.spec, errors, "spec")


def update_status(new: Any, old: Any, errors: Errors) -> None:
    status, before = new.status, old.status
    if status is None:
        return
    version = status.resourceVersion or ""
    if version and not (version.isascii() and version.isdigit() and version[0] != "0"):
        errors.append(invalid("status.resourceVersion", version, f"resource version is not well formed: {version}"))
    conditions(status.conditions, errors, "status.conditions")
    if before is not None and before.resourceVersion:
        immutable(status.resourceVersion, before.resourceVersion, errors, "status.resourceVersion")
    outcome(status, before, errors)


def outcome(status: Any, before: Any, errors: Errors) -> None:
    """A migration succeeds or fails, once, and runs no longer then."""
    ended = {"success": is_true(status, SUCCEEDED), "failed": is_true(status, FAILED)}
    wrong = [BOTH] if all(ended.values()) else []
    if is_true(status, RUNNING):
        wrong += [f"Running condition cannot be true when {e} condition is true" for e, now in ended.items() if now]
    for kind, title, now in ((SUCCEEDED, "Success", ended["success"]), (FAILED, "Failed", ended["failed"])):
        if is_true(before, kind) and not now:
            wrong.append(f"{title} condition cannot be set to false once it is true")
    errors.extend(invalid("status.conditions", status.conditions or [], text) for text in wrong)


RULES: dict[str, Rule] = {
    "StorageVersionMigration": Rule(create=create, update=update, subresources={"status": update_status})
}
