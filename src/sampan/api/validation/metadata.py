"""Rules for the metadata that every object has.

Source: API reference v1.36, ObjectMeta; API concepts, "Object names and IDs", "Labels", "Annotations", "Owners".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sampan.api import names
from sampan.api.errors import FieldError
from sampan.api.names import label_value, qualified
from sampan.api.validation.problems import (
    IMMUTABLE,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    quote,
    required,
)

NameCheck = Callable[[str], tuple[str, ...] | list[str]]
Errors = list[FieldError]

ANNOTATIONS_LIMIT = 256 * 1024
MANAGER_LIMIT = 128
GENERATED_SUFFIX = "-"


def metadata(meta: Any, errors: Errors, *, namespaced: bool, check: NameCheck, path: str = "metadata") -> None:
    """The metadata of an object about to be created; `check` tells what is wrong with a name of this kind."""
    if meta.generateName:
        prefix = meta.generateName
        masked = prefix[:-1] + "a" if len(prefix) > 1 and prefix.endswith(GENERATED_SUFFIX) else prefix
        errors.extend(each_invalid(f"{path}.generateName", prefix, check(masked)))
    if not meta.name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    elif wrong := check(meta.name):
        errors.extend(each_invalid(f"{path}.name", meta.name, wrong))
    _namespace(meta.namespace, errors, namespaced, path)
    common(meta, errors, path)


def _namespace(namespace: str | None, errors: Errors, namespaced: bool, path: str) -> None:
    if namespaced:
        if not namespace:
            errors.append(required(f"{path}.namespace"))
        elif wrong := names.label(namespace):
            errors.extend(each_invalid(f"{path}.namespace", namespace, wrong))
    elif namespace:
        errors.append(forbidden(f"{path}.namespace", "not allowed on this type"))


def common(meta: Any, errors: Errors, path: str) -> None:
    """What holds on creation and on update."""
    if meta.generation is not None and meta.generation < 0:
        errors.append(invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0"))
    texts(meta, errors, path)
    if meta.finalizers:
        finalizers(meta.finalizers, errors, f"{path}.finalizers")
        _conflicting_finalizers(meta.finalizers, errors, f"{path}.finalizers")


def texts(meta: Any, errors: Errors, path: str) -> None:
    """Labels, annotations, owners and managers."""
    if meta.labels:
        labels(meta.labels, errors, f"{path}.labels")
    if meta.annotations:
        annotation_map(meta.annotations, errors, f"{path}.annotations")
    if meta.ownerReferences:
        owner_references(meta.ownerReferences, errors, f"{path}.ownerReferences")
    if meta.managedFields:
        managed_fields(meta.managedFields, errors, f"{path}.managedFields")


_faultless: set[tuple[str, str]] = set()
"""Labels as they may be: most are seen again and again, and none is long."""
REMEMBERED = 4096


def labels(values: Mapping[str, str], errors: Errors, path: str) -> None:
    for label in values.items():
        if label in _faultless:
            continue
        key, value = label
        before = len(errors)
        if wrong := qualified(key):
            errors.extend(each_invalid(path, key, wrong))
        if wrong := label_value(value or ""):
            errors.extend(each_invalid(path, value or "", wrong))
        if len(errors) == before:
            if len(_faultless) >= REMEMBERED:
                _faultless.clear()
            _faultless.add(label)


def annotation_map(values: Mapping[str, str], errors: Errors, path: str) -> None:
    for key in values:
        if wrong := qualified(key.lower()):
            errors.extend(each_invalid(path, key, wrong))
    size = sum(len(k.encode()) + len((v or "").encode()) for k, v in values.items())
    if size > ANNOTATIONS_LIMIT:
        errors.append(
            FieldError("FieldValueTooLong", path, f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes")
        )


def owner_references(references: Any, errors: Errors, path: str) -> None:
    controller = ""
    for reference in references:
        owner_reference(reference, errors, path)
        if reference.controller:
            kind = f"{reference.kind or ''}/{reference.name or ''}"
            if controller:
                text = (
                    f'Only one reference can have Controller set to true. Found "true" in references for {controller}'
                )
                errors.append(invalid(path, references, f"{text} and {kind}"))
            else:
                controller = kind


def owner_reference(reference: Any, errors: Errors, path: str) -> None:
    group, slash, version = (reference.apiVersion or "").rpartition("/")
    if not version or (slash and "/" in group):
        errors.append(invalid(f"{path}.apiVersion", reference.apiVersion or "", "version must not be empty"))
    if not reference.kind:
        errors.append(invalid(f"{path}.kind", "", "kind must not be empty"))
    if not reference.name:
        errors.append(invalid(f"{path}.name", "", "name must not be empty"))
    if not reference.uid:
        errors.append(invalid(f"{path}.uid", "", "uid must not be empty"))
    if (group, version, reference.kind) == ("", "v1", "Event") or (group, reference.kind) == ("events.k8s.io", "Event"):
        errors.append(invalid(path, reference, f"{reference.apiVersion}, Kind=Event is disallowed from being an owner"))


STANDARD_FINALIZERS = ("kubernetes", "foregroundDeletion", "orphan")


def finalizers(given: list[str], errors: Errors, path: str) -> None:
    for name in given:
        errors.extend(each_invalid(path, name, qualified(name)))


def known_finalizers(given: list[str], errors: Errors, path: str) -> None:
    """A finalizer is Kubernetes' own or carries a domain; only looked at when an object is made."""
    for index, name in enumerate(given):
        if "/" not in name and name not in STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(f"{path}[{index}]", name, text))


def _conflicting_finalizers(given: list[str], errors: Errors, path: str) -> None:
    if "orphan" in given and "foregroundDeletion" in given:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, given, text))


def managed_fields(entries: Any, errors: Errors, path: str) -> None:
    for index, entry in enumerate(entries):
        here = f"{path}[{index}]"
        if entry.operation not in ("Apply", "Update"):
            text = "must be `Apply` or `Update`"
            errors.append(invalid(f"{here}.operation", entry.operation or "", text))
        if entry.fieldsType and entry.fieldsType != "FieldsV1":
            errors.append(invalid(f"{here}.fieldsType", entry.fieldsType, "must be `FieldsV1`"))
        if entry.manager and len(entry.manager) > MANAGER_LIMIT:
            errors.append(
                FieldError(
                    "FieldValueTooLong", f"{here}.manager", f"Too long: may not be more than {MANAGER_LIMIT} bytes"
                )
            )


# What an update may not touch, in the order in which upstream tells.
FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def metadata_update(new: Any, old: Any, errors: Errors, *, path: str = "metadata") -> None:
    """The metadata of an object about to be replaced by `new`.

    Upstream judges the new metadata by itself and then the change twice, in the endpoint and in the kind's rules, and
    tells all it finds; most often there is nothing, so that is looked for once.
    """
    found: Errors = []
    changed(new, old, found, path)
    alone: Errors = []
    common(new, alone, path)
    if found or alone:
        errors.extend([*alone, *found, *found])


def changed(new: Any, old: Any, errors: Errors, path: str) -> None:
    if old.deletionTimestamp is not None:
        added = [f for f in new.finalizers or () if f not in (old.finalizers or ())]
        if added:
            text = "no new finalizers can be added if the object is being deleted, found new finalizers"
            errors.append(forbidden(f"{path}.finalizers", f"{text} {_go_list(added)}"))
    for name in FIXED:
        if getattr(new, name) != getattr(old, name):
            value = getattr(new, name)
            errors.append(invalid(f"{path}.{name}", "" if value is None else value, IMMUTABLE))
    if new.generation is not None and new.generation < (old.generation or 0):
        errors.append(invalid(f"{path}.generation", new.generation, "must not be decremented"))
    texts(new, errors, path)


def _go_list(values: list[str]) -> str:
    """A []string as Go's `%#v` prints it."""
    return f"[]string{{{', '.join(quote(v) for v in values)}}}"


def immutable(new: Any, old: Any, errors: Errors, path: str, detail: str = IMMUTABLE) -> bool:
    """Whether the field stayed as it was; tells if not."""
    if new == old:
        return True
    errors.append(invalid(path, new, detail))
    return False


def one_of(value: str | None, supported: tuple[str, ...], errors: Errors, path: str) -> None:
    """An enumeration that must be set; `supported` in the order in which upstream tells it."""
    if value not in supported:
        errors.append(not_supported(path, value or "", supported))


def unique(value: Any, seen: set[Any], errors: Errors, path: str) -> None:
    if value in seen:
        errors.append(duplicate(path, value))
    else:
        seen.add(value)


def long_name(text: str) -> tuple[str, ...]:
    """A subdomain, judged as upstream's generated rules do: lengths are told in bytes."""
    return tuple(w.replace("253 characters", "253 bytes") for w in names.subdomain(text))
