"""Bootstrap tokens: `<id>.<secret>`, kept as secrets of kube-system, with which a machine asks to join.

Whoever shows one is `system:bootstrap:<id>` of `system:bootstrappers`, which may do no more than ask for a certificate.
https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable

import msgspec

from sampan.aio.clock import parse_timestamp
from sampan.apiserver.auth.authenticator import Rejected
from sampan.apiserver.auth.bearer import Audiences, Known, Plain
from sampan.apiserver.auth.serviceaccount import Find
from sampan.apiserver.auth.user import AUTHENTICATED_GROUP, User

FORM = re.compile(rb"([a-z0-9]{6})\.([a-z0-9]{16})")
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
NAMESPACE, NAME_PREFIX = "kube-system", "bootstrap-token-"


class _Metadata(msgspec.Struct):
    deletionTimestamp: str | None = None


class _Secret(msgspec.Struct):
    metadata: _Metadata
    type: str = ""
    data: dict[str, str] | None = None


_SECRETS = msgspec.json.Decoder(_Secret)


class BootstrapTokens(Plain):
    """Looks the secret up on every request, so that deleting it revokes the token at once."""

    def __init__(self, find: Find, now: Callable[[], float], implicit: Audiences) -> None:
        super().__init__(implicit)
        self._find = find
        self._now = now

    def know(self, token: bytes, wanted: Audiences) -> Known | None:
        shown = FORM.fullmatch(token)
        meant = self.meant(wanted)
        if shown is None or not meant:
            return None
        identifier = shown[1].decode()
        entry = self._find("secrets", NAMESPACE, NAME_PREFIX + identifier)
        if entry is None:
            return None
        return Known(self._user(identifier, shown[2], _SECRETS.decode(entry.data)), meant)

    def _user(self, identifier: str, shown: bytes, secret: _Secret) -> User:
        fields = {
            name: base64.b64decode(value).decode("utf-8", "replace") for name, value in (secret.data or {}).items()
        }
        good = (
            secret.type == TYPE
            and secret.metadata.deletionTimestamp is None
            and fields.get("token-id") == identifier
            and hmac.compare_digest(fields.get("token-secret", "").encode(), shown)
            and fields.get("usage-bootstrap-authentication") == "true"
            and self._lasting(fields.get("expiration", ""))
        )
        extra = [group for group in fields.get("auth-extra-groups", "").split(",") if group]
        if not good or not all(map(EXTRA_GROUP.fullmatch, extra)):
            raise Rejected("bootstrap token")
        return User(f"system:bootstrap:{identifier}", groups=(GROUP, *extra, AUTHENTICATED_GROUP))

    def _lasting(self, expiration: str) -> bool:
        """Whether the token is not over; one whose end cannot be read is."""
        if not expiration:
            return True
        try:
            return parse_timestamp(expiration) > self._now()
        except ValueError:
            return False
