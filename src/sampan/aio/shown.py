"""Client certificates that nobody vouches for: the handshake goes on, and the answer is 401.

Upstream asks for a certificate, takes any, and verifies it when it authenticates. OpenSSL does that too, where its
verification may only note what is wrong (SSL_CTX_set_verify(3), SSL_get_verify_result(3)); Python's `ssl` has no name
for it. So two functions of the very libssl that Python uses are called here. The verdict remains OpenSSL's: the chain
to an authority of the context, every end, the use as a client. It is asked for once a connection, and a session taken
up again brings its own along.

What is known of CPython for this: where its objects keep their pointers. For a version that is not in `KNOWN`, or a
libssl whose functions cannot be found, nothing is changed: then such a handshake fails, and what succeeds is verified.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

KNOWN = frozenset({(3, 11), (3, 12), (3, 13)})
FIRST = object.__basicsize__
"""Where an SSLContext has its SSL_CTX*."""
SECOND = FIRST + ctypes.sizeof(ctypes.c_void_p)
"""Where the socket of an SSLObject has its SSL*, behind its owner."""
VERIFY_PEER = 1
"""Ask for a certificate; SSL_VERIFY_FAIL_IF_NO_PEER_CERT is not among it."""
GOOD = 0
"""X509_V_OK, also where no certificate was shown."""


class _Functions(NamedTuple):
    set_verify: Callable[[Any, int, Any], None]
    verify_result: Callable[[Any], int]


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
def _go_on(_verified: int, _store: int | None) -> int:
    """What is wrong stays noted; lives as long as any context."""
    return 1


@cache
def _functions() -> _Functions | None:
    """None where they cannot be relied on."""
    file = getattr(_ssl, "__file__", None)
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in KNOWN or file is None:
        return None
    library = ctypes.CDLL(file)
    try:
        set_verify, verify_result = library.SSL_CTX_set_verify, library.SSL_get_verify_result
    except AttributeError:
        return None
    set_verify.argtypes, set_verify.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p], None
    verify_result.argtypes, verify_result.restype = [ctypes.c_void_p], ctypes.c_long
    return _Functions(set_verify, verify_result)


def take_any(context: ssl.SSLContext) -> None:
    """Handshakes with a server's context succeed whatever certificate a client shows; see `is_verified`."""
    context.verify_mode = ssl.CERT_OPTIONAL
    functions = _functions()
    if functions is not None:
        functions.set_verify(_pointer(context, FIRST), VERIFY_PEER, ctypes.cast(_go_on, ctypes.c_void_p))


def is_verified(connection: ssl.SSLObject) -> bool:
    """Whether nothing was found wrong with what the client has shown, which may be nothing."""
    functions = _functions()
    if functions is None:
        return True
    return functions.verify_result(_pointer(connection._sslobj, SECOND)) == GOOD  # type: ignore[attr-defined]


def verified(transport: Any) -> ssl.SSLObject | None:
    """What tells of the certificate of a transport's client, which may be none; None for one that is not good."""
    found: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    return found if found is not None and is_verified(found) else None


def certificate(transport: Any) -> dict[str, Any] | None:
    """The good certificate that a transport's client has shown, as `ssl` gives it; None without one."""
    found = verified(transport)
    return (found.getpeercert() or None) if found is not None else None


def _pointer(owner: object, offset: int) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(owner) + offset)
