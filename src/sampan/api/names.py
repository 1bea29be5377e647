"""The syntax of names: each check returns what is wrong, in upstream's words, and nothing when all is well.

Source: API concepts, "Object names and IDs"; RFC 1035, RFC 1123.
"""

from __future__ import annotations

import re

from sampan.api.remembered import remembered

LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_ENV_NAME = re.compile(r"[ -<>-~]+")
_PORT_CHARACTERS = re.compile(r"[-a-z0-9]+")


def too_long(limit: int, unit: str = "bytes") -> str:
    return f"must be no more than {limit} {unit}"


LABEL_FORM = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_FORM = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_1035_FORM = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED_FORM = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
QUALIFIED_PARTS = (
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
    "'example.com/MyName')"
)
VALUE_FORM = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


@remembered(8192)
def label(text: str) -> tuple[str, ...]:
    """RFC 1123 label: at most 63 of `a-z0-9-`."""
    return _checked(text, LABEL_LENGTH, _LABEL, LABEL_FORM)


@remembered(8192)
def subdomain(text: str) -> tuple[str, ...]:
    """RFC 1123 subdomain: labels joined by dots, at most 253 bytes."""
    return _checked(text, SUBDOMAIN_LENGTH, _SUBDOMAIN, SUBDOMAIN_FORM)


@remembered(1024)
def label_1035(text: str) -> tuple[str, ...]:
    """RFC 1035 label: as RFC 1123's but beginning with a letter."""
    return _checked(text, LABEL_LENGTH, _LABEL_1035, LABEL_1035_FORM)


@remembered(8192)
def qualified(text: str) -> tuple[str, ...]:
    """A label key: `[prefix/]name`, the prefix a subdomain, the name at most 63 characters."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (QUALIFIED_PARTS,)
    wrong: list[str] = []
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong.extend(f"prefix part {_in_bytes(message)}" for message in subdomain(prefix))
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > LABEL_LENGTH:
        wrong.append(f"name part {too_long(LABEL_LENGTH)}")
    if not _QUALIFIED.fullmatch(name):
        wrong.append(QUALIFIED_FORM)
    return tuple(wrong)


@remembered(8192)
def label_value(text: str) -> tuple[str, ...]:
    """A label's value: empty, or at most 63 of `A-Za-z0-9-_.` beginning and ending alphanumerically."""
    return _checked(text, LABEL_LENGTH, _VALUE, VALUE_FORM, "bytes")


@remembered(1024)
def path_segment(text: str) -> tuple[str, ...]:
    """A name that may stand in a URL path, the loosest rule there is."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return tuple(f"may not contain '{c}'" for c in "/%" if c in text)


@remembered(1024)
def config_key(text: str) -> tuple[str, ...]:
    """A key of a ConfigMap or Secret."""
    wrong = [] if len(text) <= SUBDOMAIN_LENGTH else [too_long(SUBDOMAIN_LENGTH, "characters")]
    if not _CONFIG_KEY.fullmatch(text):
        wrong.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    elif text in (".", ".."):
        wrong.append(f"must not be '{text}'")
    elif text.startswith(".."):
        wrong.append("must not start with '..'")
    return tuple(wrong)


@remembered(1024)
def port_name(text: str) -> tuple[str, ...]:
    """An IANA service name, as a port has: at most 15 of `a-z0-9-` with a letter (RFC 6335)."""
    wrong: list[str] = []
    if len(text) > 15:
        wrong.append(too_long(15, "characters"))
    if not _PORT_CHARACTERS.fullmatch(text):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= c <= "z" for c in text):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in text:
        wrong.append("must not contain consecutive hyphens")
    if text and (text[0] == "-" or text[-1] == "-"):
        wrong.append("must not begin or end with a hyphen")
    return tuple(wrong)


@remembered(1024)
def environment_name(text: str) -> tuple[str, ...]:
    """An environment variable's name: printable ASCII but `=` (KEP-4369)."""
    if _ENV_NAME.fullmatch(text):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


def _in_bytes(message: str) -> str:
    """A subdomain's length is told in bytes where it is part of a longer name."""
    return message.replace("characters", "bytes") if message.startswith("must be no more than") else message


def _checked(
    text: str, limit: int, pattern: re.Pattern[str], message: str, unit: str = "characters"
) -> tuple[str, ...]:
    wrong = () if len(text) <= limit else (too_long(limit, unit),)
    return wrong if pattern.fullmatch(text) else (*wrong, message)
