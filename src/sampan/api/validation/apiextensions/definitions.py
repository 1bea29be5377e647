"""Rules for a CustomResourceDefinition as a whole: names, versions, conversion, columns, subresources.

What all versions have in common (with one version: everything) upstream tells at `spec`, the rest at the version:
`prefix` is where.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import FieldError
from sampan.api.names import label_1035, subdomain
from sampan.api.validation.admissionregistration.webhooks import review_versions, webhook_service, webhook_url
from sampan.api.validation.apiextensions.schemas import root_schema
from sampan.api.validation.apiextensions.selectable import selectable_fields
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import (
    Shown,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    quote,
    required,
)

Errors = list[FieldError]

SCOPES = ("Cluster", "Namespaced")
COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
FORMATS = ("binary", "byte", "date", "date-time", "double", "float", "int32", "int64", "password")
ONE_STORAGE = "must have exactly one version marked as storage version"
MIXED_CASE = "may have mixed case, but should otherwise match"
HOISTED = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
PROTECTED = ("k8s.io", "kubernetes.io")
APPROVAL_RULES = "https://github.com/kubernetes/enhancements/pull/1111"
APPROVED = "api-approved.kubernetes.io"


def name(text: str) -> tuple[str, ...]:
    return subdomain(text)


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    own_name(obj, errors)
    definition_spec(spec, errors)
    stored_versions(obj, errors)
    approval(obj, errors)


def own_name(obj: Any, errors: Errors) -> None:
    plural = (obj.spec.names.plural if obj.spec.names else None) or ""
    wanted = f"{plural}.{obj.spec.group or ''}"
    if obj.metadata.generateName:
        text = 'must be spec.names.plural+"."+spec.group'
        errors.append(invalid("metadata.generateName", obj.metadata.generateName, text))
    if obj.metadata.name and obj.metadata.name != wanted:
        errors.append(invalid("metadata.name", obj.metadata.name, 'must be spec.names.plural+"."+spec.group'))


def definition_spec(spec: Any, errors: Errors) -> None:
    group = spec.group or ""
    if not group:
        errors.append(required("spec.group"))
    elif wrong := subdomain(group):
        errors.extend(each_invalid("spec.group", group, wrong))
    elif len(group.split(".")) < 2:
        errors.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    if spec.scope not in SCOPES:
        errors.append(not_supported("spec.scope", spec.scope, SCOPES) if spec.scope else required("spec.scope"))
    if spec.preserveUnknownFields:
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        errors.append(invalid("spec.preserveUnknownFields", True, text))
    versions(spec, errors)
    names(spec.names, errors)
    parts(spec, errors)
    if spec.conversion is not None:
        conversion(spec.conversion, errors, "spec.conversion")


def versions(spec: Any, errors: Errors) -> None:
    given = spec.versions or []
    seen: set[str] = set()
    for index, version in enumerate(given):
        path = f"spec.versions[{index}]"
        if version.schema is None or version.schema.openAPIV3Schema is None:
            errors.append(required(f"{path}.schema.openAPIV3Schema"))
        text = version.name or ""
        errors.extend(each_invalid(f"{path}.name", text, label_1035(text)))
        if text in seen:
            errors.append(duplicate(f"{path}.name", text))
        seen.add(text)
        if version.deprecationWarning is not None:
            deprecation(version, errors, f"{path}.deprecationWarning")
    if sum(bool(v.storage) for v in given) != 1:
        errors.append(invalid("spec.versions", shown_versions(spec.versions), ONE_STORAGE))
    if given and (wrong := label_1035(given[0].name or "")) and given[0].name:
        errors.extend(each_invalid("spec.version", given[0].name, wrong))


def shown_versions(given: Any) -> Any:
    """Versions in upstream's internal form, from which common parts have been taken out."""
    if not given:
        return given
    shown = [
        f'{{"Name":{quote(v.name or "")},"Served":{_json(bool(v.served))},"Storage":{_json(bool(v.storage))},'
        f'"Deprecated":{_json(bool(v.deprecated))},"DeprecationWarning":{_json(v.deprecationWarning)},"Schema":null,'
        '"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}'
        for v in given
    ]
    return Shown(f"[{','.join(shown)}]")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def deprecation(version: Any, errors: Errors, path: str) -> None:
    text = version.deprecationWarning
    if not version.deprecated:
        errors.append(invalid(path, text, "can only be set for deprecated versions"))
    if not text.strip() or len(text) > 256:
        errors.append(invalid(path, text, "must be non-empty and at most 256 characters"))


def names(given: Any, errors: Errors) -> None:
    for field in ("plural", "singular"):
        value = (getattr(given, field) if given else None) or ""
        if not value:
            errors.append(required(f"spec.names.{field}"))
        else:
            errors.extend(each_invalid(f"spec.names.{field}", value, label_1035(value)))
    for field in ("kind", "listKind"):
        value = (getattr(given, field) if given else None) or ""
        if not value:
            errors.append(required(f"spec.names.{field}"))
        else:
            wrong = [f"{MIXED_CASE}: {w}" for w in label_1035(value.lower())]
            errors.extend(each_invalid(f"spec.names.{field}", value, wrong))
    if given is None:
        return
    for field in ("shortNames", "categories"):
        for index, value in enumerate(getattr(given, field) or ()):
            errors.extend(each_invalid(f"spec.names.{field}[{index}]", value, label_1035(value)))
    if given.kind and given.kind == given.listKind:
        errors.append(invalid("spec.names.listKind", given.listKind, "kind and listKind may not be the same"))


def parts(spec: Any, errors: Errors) -> None:
    """Schema, selectable fields, subresources and columns, once where all versions share them."""
    given = spec.versions or []
    shared = {f for f in HOISTED if all(getattr(v, f) == getattr(given[0], f) for v in given)} if given else set()
    for index, version in enumerate(given):
        own = f"spec.versions[{index}]"
        for field, judge in PARTS.items():
            if field in shared and index > 0:
                continue
            judge(version, "spec" if field in shared else own, errors)


def schema(version: Any, prefix: str, errors: Errors) -> None:
    if version.schema is None or version.schema.openAPIV3Schema is None:
        return
    where = f"{prefix}.validation" if prefix == "spec" else f"{prefix}.schema"
    plain = msgspec.to_builtins(version.schema.openAPIV3Schema)
    has_status = version.subresources is not None and version.subresources.status is not None
    root_schema(plain, errors, f"{where}.openAPIV3Schema", has_status=has_status)


def fields(version: Any, prefix: str, errors: Errors) -> None:
    given = version.selectableFields or ()
    if not given:
        return
    if version.schema is None or version.schema.openAPIV3Schema is None:
        text = "may only be set when validations.schema is included"
        errors.append(invalid(f"{prefix}.selectableFields", "", text))
        return
    plain = msgspec.to_builtins(version.schema.openAPIV3Schema)
    selectable_fields(given, plain, errors, f"{prefix}.selectableFields")


def subresources(version: Any, prefix: str, errors: Errors) -> None:
    given = version.subresources
    if given is None or given.scale is None:
        return
    path, scale = f"{prefix}.subresources.scale", given.scale
    for field, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = getattr(scale, field) or ""
        if not value:
            errors.append(required(f"{path}.{field}"))
        elif wrong := simple_path(value):
            errors.append(invalid(f"{path}.{field}", value, wrong))
        elif not value.startswith(root):
            errors.append(invalid(f"{path}.{field}", value, f"should be a json path under {root[:-1]}"))
    selector = scale.labelSelectorPath
    if selector:
        if wrong := simple_path(selector):
            errors.append(invalid(f"{path}.labelSelectorPath", selector, wrong))
        elif not selector.startswith((".spec.", ".status.")):
            text = "should be a json path under either .spec or .status"
            errors.append(invalid(f"{path}.labelSelectorPath", selector, text))


def simple_path(text: str) -> str:
    """What is wrong with a JSON path that only names fields; empty when nothing is."""
    if not text.startswith(".") or text == ".":
        return "must be a simple json path starting with ."
    return ""


def columns(version: Any, prefix: str, errors: Errors) -> None:
    for index, column in enumerate(version.additionalPrinterColumns or ()):
        path = f"{prefix}.additionalPrinterColumns[{index}]"
        if not column.name:
            errors.append(required(f"{path}.name"))
        if not column.type:
            errors.append(required(f"{path}.type", f"must be one of {','.join(COLUMN_TYPES)}"))
        elif column.type not in COLUMN_TYPES:
            errors.append(invalid(f"{path}.type", column.type, f"must be one of {','.join(COLUMN_TYPES)}"))
        if column.format and column.format not in FORMATS:
            errors.append(invalid(f"{path}.format", column.format, f"must be one of {','.join(FORMATS)}"))
        if not column.jsonPath:
            errors.append(required(f"{path}.JSONPath"))
        elif wrong := simple_path(column.jsonPath):
            errors.append(invalid(f"{path}.JSONPath", column.jsonPath, wrong))


PARTS: dict[str, Any] = {
    "schema": schema,
    "selectableFields": fields,
    "subresources": subresources,
    "additionalPrinterColumns": columns,
}


def conversion(given: Any, errors: Errors, path: str) -> None:
    if given.strategy not in ("None", "Webhook"):
        value = given.strategy
        errors.append(
            not_supported(f"{path}.strategy", value, ("None", "Webhook")) if value else required(f"{path}.strategy")
        )
    if given.strategy != "Webhook":
        if given.webhook is not None:
            text = "should not be set when strategy is not set to Webhook"
            errors.append(forbidden(f"{path}.webhookClientConfig", text))
        return
    hook = given.webhook
    if hook is None or hook.clientConfig is None:
        errors.append(required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook"))
        return
    client = hook.clientConfig
    here = f"{path}.webhookClientConfig"
    if (client.url is None) == (client.service is None):
        errors.append(required(here, "exactly one of url or service is required"))
    elif client.url is not None:
        webhook_url(client.url, errors, f"{here}.url")
    else:
        webhook_service(client.service, errors, f"{here}.service")
    review_versions(hook.conversionReviewVersions or [], errors, f"{path}.conversionReviewVersions")


def stored_versions(obj: Any, errors: Errors) -> None:
    stored = obj.status.storedVersions or []
    path = "status.storedVersions"
    if not stored:
        errors.append(invalid(path, obj.status.storedVersions, "must have at least one stored version"))
        return
    storage = next((v.name or "" for v in obj.spec.versions or () if v.storage), None)
    if storage is not None and storage not in stored:
        errors.append(invalid(path, stored, f"must have the storage version {storage}"))
    known = {v.name or "" for v in obj.spec.versions or ()}
    for index, version in enumerate(stored):
        if version not in known:
            errors.append(invalid(f"{path}[{index}]", version, "missing from spec.versions; " + STORED_ADVICE))


STORED_ADVICE = "migrate the stored objects to the storage version, then remove the version from status.storedVersions"


def approval(obj: Any, errors: Errors) -> None:
    """Groups of the community need its approval (KEP-1111)."""
    group = obj.spec.group or ""
    if not any(group == p or group.endswith(f".{p}") for p in PROTECTED):
        return
    given = (obj.metadata.annotations or {}).get(APPROVED)
    path = f"metadata.annotations[{APPROVED}]"
    needed = 'protected groups must have approval annotation "api-approved.kubernetes.io"'
    if given is None:
        errors.append(required(path, f"{needed}, see {APPROVAL_RULES}"))
    elif not given.startswith(("http://", "https://", "unapproved")):
        text = f'{needed} with either a URL or a reason starting with "unapproved", see {APPROVAL_RULES}'
        errors.append(invalid(path, given, text))


def update(new: Any, old: Any, errors: Errors) -> None:
    definition_spec(new.spec, errors)
    if any(
        c.type == "Established" and c.status == "True" for c in (old.status.conditions if old.status else None) or ()
    ):
        immutable(new.spec.scope, old.spec.scope, errors, "spec.scope")
        immutable(new.spec.names.kind, old.spec.names.kind, errors, "spec.names.kind")
    immutable(new.spec.group, old.spec.group, errors, "spec.group")
    immutable(new.spec.names.plural, old.spec.names.plural, errors, "spec.names.plural")
    stored_versions(new, errors)


def update_status(new: Any, old: Any, errors: Errors) -> None:
    stored_versions(new, errors)
