"""The `continue` token of a paginated list: which revision the first page was read at, and where the next page begins.

Opaque to clients. Its form is upstream's (base64url of `{"v":...,"rv":...,"start":...}`), so that a client may go on
with a page it began at another API server over the same store.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from sampan.api.errors import BadRequest

VERSION = "meta.k8s.io/v1"


class Token(msgspec.Struct):
    """`start` is the last key shown, relative to the resource's prefix in the store. `rv` -1 means:

    whatever is newest (after an expired token).
    """

    v: str = VERSION
    rv: int = 0
    start: str = ""


def encode(revision: int, after: str) -> str:
    """The token for the page that begins behind the key `after`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Token(rv=revision, start=after + "\0"))).rstrip(b"=").decode()


def decode(text: str) -> tuple[int, str]:
    """Revision of a token and the key its page begins behind.

    Raises BadRequest for what is none, or leads out of its collection.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadRequest("invalid continue token: continue key is not valid: illegal base64 data") from None
    try:
        token = msgspec.json.decode(raw, type=Token)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        first = raw[:1].decode("latin-1")
        shown = f"\\x{ord(first):02x}" if first and not (" " <= first <= "~") else first
        what = (
            f"invalid character '{shown}' looking for beginning of value" if first else "unexpected end of JSON input"
        )
        raise BadRequest(f"invalid continue token: continue key is not valid: {what}") from None
    if token.v != VERSION:
        raise BadRequest(
            "invalid continue token: continue key is not valid: server does not recognize this encoded version "
            f'"{token.v}"'
        )
    if not token.start or token.start.startswith("/") or ".." in token.start.split("/"):
        raise BadRequest("invalid continue token: continue key is not valid: encoded start key is empty or invalid")
    return token.rv, token.start.removesuffix("\0")
