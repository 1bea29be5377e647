"""Rules for events, of the core group and of events.k8s.io. Source: API reference v1.36; KEP-383.

Both versions are one kind. The newer one asks for more, and so does an event of either that has an `eventTime`.
"""

from __future__ import annotations

from typing import Any

from sampan.api.names import qualified, subdomain
from sampan.api.validation.core.context import Errors
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import each_invalid, invalid, required

LENGTH = 128
NOTE_LENGTH = 1024
TYPES = ("Normal", "Warning")


def create_old(event: Any, errors: Errors) -> None:
    namespace(event.involvedObject, event.metadata, errors)
    if event.eventTime:
        details(event.reportingComponent, "reportingComponent", event.message, event, errors)
    errors.extend(each_invalid("namespace", event.metadata.namespace or "", subdomain(event.metadata.namespace or "")))


def create_new(event: Any, errors: Errors) -> None:
    regarded_namespace(event, errors)
    if event.eventTime:
        details(event.reportingController, "reportingController", event.note, event, errors)
    else:
        errors.append(required("eventTime"))
    if event.type not in TYPES:
        errors.append(invalid("type", "", f"has invalid value: {event.type or ''}"))
    for field, name in (
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
    ):
        if getattr(event, field):
            errors.append(invalid(name, "", "needs to be unset"))
    source = event.deprecatedSource
    if source is not None and (source.component or source.host):
        errors.append(invalid("source", "", "needs to be unset"))


def namespace(involved: Any, meta: Any, errors: Errors) -> None:
    """An event lives in the namespace of what it tells of; of cluster-wide things in `default`."""
    about = (involved.namespace if involved is not None else None) or ""
    if (about or "default") != meta.namespace and (about or meta.namespace):
        errors.append(invalid("involvedObject.namespace", about, "does not match event.namespace"))


def regarded_namespace(event: Any, errors: Errors) -> None:
    """The newer version asks only that an event of cluster-wide things is in `default`."""
    if event.regarding is None or not event.regarding.namespace:
        namespace(event.regarding, event.metadata, errors)


def details(controller: str | None, controller_field: str, note: str | None, event: Any, errors: Errors) -> None:
    if not controller:
        errors.append(required(controller_field))
    errors.extend(each_invalid(controller_field, controller or "", qualified(controller or "")))
    for field in ("reportingInstance", "action", "reason"):
        value = getattr(event, field) or ""
        if not value:
            errors.append(required(field))
        elif len(value) > LENGTH:
            errors.append(invalid(field, "", f"can have at most {LENGTH} characters"))
    if len(note or "") > NOTE_LENGTH:
        errors.append(invalid("message", "", f"can have at most {NOTE_LENGTH} characters"))


def update_old(new: Any, old: Any, errors: Errors) -> None:
    create_old(new, errors)


NEW_FIXED = (
    ("regarding", "involvedObject"),
    ("reason", "reason"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reason", "reason"),  # told twice upstream
    ("type", "type"),
    ("eventTime", "eventTime"),
    ("action", "action"),
    ("related", "related"),
    ("reportingController", "reportingController"),
    ("reportingInstance", "reportingInstance"),
)


def update_new(new: Any, old: Any, errors: Errors) -> None:
    """Only the series may change."""
    regarded_namespace(new, errors)
    for field, name in NEW_FIXED:
        immutable(getattr(new, field), getattr(old, field), errors, name)
