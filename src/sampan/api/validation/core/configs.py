"""Rules for what pods are configured with: ConfigMap, Secret, ServiceAccount. Source: API reference v1.36."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import config_key
from sampan.api.validation.core.context import Errors
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import each_invalid, forbidden, invalid, required

SIZE_LIMIT = 1024 * 1024
FROZEN = "field is immutable when `immutable` is set"
ACCOUNT = "kubernetes.io/service-account.name"


def too_big(path: str) -> FieldError:
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {SIZE_LIMIT} bytes")


def create_config_map(obj: Any, errors: Errors) -> None:
    total = 0
    for key, value in (obj.data or {}).items():
        errors.extend(each_invalid(f"data[{key}]", key, config_key(key)))
        if key in (obj.binaryData or {}):
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        total += len((value or "").encode())
    for key, value in (obj.binaryData or {}).items():
        errors.extend(each_invalid(f"binaryData[{key}]", key, config_key(key)))
        total += decoded_size(value)
    if total > SIZE_LIMIT:
        errors.append(too_big(""))


def decoded_size(text: str | None) -> int:
    """Bytes that a base64 text stands for."""
    text = text or ""
    return len(text) * 3 // 4 - text.count("=", -2) if text else 0


def update_config_map(new: Any, old: Any, errors: Errors) -> None:
    if old.immutable:
        if not new.immutable:
            errors.append(forbidden("immutable", FROZEN))
        if (new.data or {}) != (old.data or {}):
            errors.append(forbidden("data", FROZEN))
        if (new.binaryData or {}) != (old.binaryData or {}):
            errors.append(forbidden("binaryData", FROZEN))
    create_config_map(new, errors)


def create_secret(obj: Any, errors: Errors) -> None:
    data = obj.data or {}
    total = 0
    for key, value in data.items():
        errors.extend(each_invalid(f"data[{key}]", key, config_key(key)))
        total += decoded_size(value)
    if total > SIZE_LIMIT:
        errors.append(too_big("data"))
    judge = TYPES.get(obj.type or "")
    if judge is not None:
        judge(obj, data, errors)


def update_secret(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.type, old.type, errors, "type")
    if old.immutable:
        if not new.immutable:
            errors.append(forbidden("immutable", FROZEN))
        if (new.data or {}) != (old.data or {}):
            errors.append(forbidden("data", FROZEN))
    create_secret(new, errors)


def account_token(obj: Any, data: dict[str, str], errors: Errors) -> None:
    if not (obj.metadata.annotations or {}).get(ACCOUNT):
        errors.append(required(f"metadata.annotations[{ACCOUNT}]"))


def needs(*keys: str) -> Any:
    """A secret of this type has these keys."""

    def judge(obj: Any, data: dict[str, str], errors: Errors) -> None:
        errors.extend(required(f"data[{key}]") for key in keys if key not in data)

    return judge


def json_under(key: str) -> Any:
    """A secret of this type has a JSON document under `key`."""

    def judge(obj: Any, data: dict[str, str], errors: Errors) -> None:
        if key not in data:
            errors.append(required(f"data[{key}]"))
            return
        try:
            json.loads(base64.b64decode(data[key]))
        except (ValueError, binascii.Error) as error:
            errors.append(invalid(f"data[{key}]", "<secret contents redacted>", go_json_error(error, data[key])))

    return judge


def go_json_error(error: Exception, text: str) -> str:
    if not text:
        return "unexpected end of JSON input"
    return f"invalid character {str(error)!r}" if isinstance(error, binascii.Error) else "invalid JSON"


def basic_auth(obj: Any, data: dict[str, str], errors: Errors) -> None:
    if "username" not in data and "password" not in data:
        errors.append(required("data[username]"))
        errors.append(required("data[password]"))


TYPES: dict[str, Any] = {
    "kubernetes.io/service-account-token": account_token,
    "kubernetes.io/dockercfg": json_under(".dockercfg"),
    "kubernetes.io/dockerconfigjson": json_under(".dockerconfigjson"),
    "kubernetes.io/basic-auth": basic_auth,
    "kubernetes.io/ssh-auth": needs("ssh-privatekey"),
    "kubernetes.io/tls": needs("tls.crt", "tls.key"),
}
