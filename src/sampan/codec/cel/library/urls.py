"""`url()`: absolute URLs, and absolute paths."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from sampan.codec.cel.library.function import Function, asked
from sampan.codec.cel.library.values import URL, values

FORM = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:[^/?@]*@)?([^/?]*))?([^?]*)(?:\?(.*))?", re.DOTALL)
HOST = re.compile(r"(\[[0-9A-Fa-f:.%A-Za-z_~-]*\]|[^@\[\]:<>\"\\^`{|}\s]*)(?::([0-9]*))?")
UNSEEN = re.compile(r"[\x00-\x1f\x7f]")
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
MEANT = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/%\[\]]*")
UNESCAPED_IN_PATHS = "$&+,/:;=@-._~"


def url(text: str) -> Any:
    scheme, host, path, query = _parts(text)
    given = {"scheme": scheme.lower(), "host": host, "path": path, "query": query}
    return values().build("URL", given)


def _parts(text: str) -> tuple[str, str, str, str]:
    if not text or UNSEEN.search(text):
        raise ValueError("a URL must not be empty, nor have characters that cannot be seen")
    found = FORM.fullmatch(text)
    assert found is not None
    scheme, host, path, query = (part or "" for part in found.groups())
    if not scheme and not path.startswith("/"):
        raise ValueError("a URL must be absolute, or an absolute path")
    if HOST.fullmatch(host) is None or BAD_ESCAPE.search(path):
        raise ValueError("the host or the path of a URL is not well formed")
    return scheme, host, path, query


def escaped_path(given: Any) -> str:
    path: str = given.path
    return path if MEANT.fullmatch(path) else quote(unquote(path), safe=UNESCAPED_IN_PATHS)


def hostname(given: Any) -> str:
    return _host(given)[0].removeprefix("[").removesuffix("]")


def port(given: Any) -> str:
    return _host(given)[1] or ""


def _host(given: Any) -> tuple[str, str | None]:
    found = HOST.fullmatch(given.host)
    assert found is not None
    return found[1], found[2]


def query(given: Any) -> dict[str, list[str]]:
    return parse_qs(given.query, keep_blank_values=True)


FUNCTIONS = (
    Function("url", URL, ("string",), url, member=False),
    Function("isURL", "bool", ("string",), asked(_parts), member=False),
    Function("getScheme", "string", (URL,), lambda given: given.scheme),
    Function("getHost", "string", (URL,), lambda given: given.host),
    Function("getHostname", "string", (URL,), hostname),
    Function("getPort", "string", (URL,), port),
    Function("getEscapedPath", "string", (URL,), escaped_path),
    Function("getQuery", "map(string, list(string))", (URL,), query),
)
