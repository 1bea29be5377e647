"""Names of drivers, pools, devices, requests, attributes."""

from __future__ import annotations

import re

from sampan.api.errors import FieldError
from sampan.api.names import label, subdomain
from sampan.api.validation.metadata import NameCheck
from sampan.api.validation.problems import each_invalid, invalid, required, too_long

Errors = list[FieldError]

DRIVER_LENGTH = 63
POOL_LENGTH = 253
IDENTIFIER_LENGTH = 32
QUALIFIED_LENGTH = DRIVER_LENGTH + 1 + IDENTIFIER_LENGTH
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
IDENTIFIER_FORM = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
)
FULLY_QUALIFIED = "a fully qualified name must be a domain and a name separated by a slash"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def driver(name: str | None, errors: Errors, path: str, *, form: NameCheck = subdomain) -> None:
    if not name:
        errors.append(required(path))
        return
    if len(name) > DRIVER_LENGTH:
        errors.append(too_long(path, DRIVER_LENGTH))
    errors.extend(each_invalid(path, name, form(name)))


def pool(name: str | None, errors: Errors, path: str) -> None:
    """Subdomains with slashes between them."""
    if not name:
        errors.append(required(path))
        return
    if len(name) > POOL_LENGTH:
        errors.append(too_long(path, POOL_LENGTH))
    for part in name.split("/"):
        errors.extend(each_invalid(path, part, subdomain(part)))


def labelled(name: str | None, errors: Errors, path: str) -> None:
    """Of a device, a request, a set of counters."""
    errors.extend(each_invalid(path, name or "", label(name or "")))


def device_class(name: str | None, errors: Errors, path: str) -> None:
    if not name:
        errors.append(required(path))
    else:
        errors.extend(each_invalid(path, name, subdomain(name)))


def qualified(name: str, errors: Errors, path: str) -> None:
    """An identifier, with a domain or of the driver's own. One with more slashes passes, as upstream has it."""
    parts = name.split("/")
    if len(parts) == 1:
        identifier(name, errors, path)
    elif len(parts) == 2:
        domain, own = parts
        if domain:
            driver(domain, errors, path)
        else:
            errors.append(invalid(path, "", "the domain must not be empty"))
        if own:
            identifier(own, errors, path)
        else:
            errors.append(invalid(path, "", "the name must not be empty"))


def fully_qualified(name: str, errors: Errors, path: str) -> None:
    qualified(name, errors, path)
    if "/" not in name:
        errors.append(invalid(path, name, FULLY_QUALIFIED))


def identifier(name: str, errors: Errors, path: str) -> None:
    if len(name) > IDENTIFIER_LENGTH:
        errors.append(too_long(path, IDENTIFIER_LENGTH))
    if not IDENTIFIER.fullmatch(name):
        errors.append(invalid(path, name, IDENTIFIER_FORM))


def share(uid: str | None, errors: Errors, path: str) -> None:
    """Of a share of a device."""
    if uid is not None and not UUID.fullmatch(uid):
        errors.append(invalid(path, uid, "must be a lowercase UUID in 8-4-4-4-12 format"))
