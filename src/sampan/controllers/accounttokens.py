"""Tokens in secrets: a secret of the type kubernetes.io/service-account-token gets the token of the account it names.

Such tokens have no end; they are good while the secret is. When the account goes, or another of the same name takes its
place, the secret goes too. Nobody makes these secrets by himself any more (KEP-2799): whoever wants one creates it.
https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets

`wanted` is pure.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec

from sampan.api.errors import Conflict, NotFound
from sampan.api.kinds import core_v1
from sampan.client.cache import key_of
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller

TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"
PREFIX = "kubernetes.io/serviceaccount"


def claims(secret: Any, account: Any) -> dict[str, str]:
    """What the token says."""
    namespace, name = account.metadata.namespace, account.metadata.name
    return {
        "iss": ISSUER,
        f"{PREFIX}/namespace": namespace,
        f"{PREFIX}/secret.name": secret.metadata.name,
        f"{PREFIX}/service-account.name": name,
        f"{PREFIX}/service-account.uid": account.metadata.uid,
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def wanted(secret: Any, account: Any, authority: bytes, token: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Data and annotations as they should be; `token` is for a secret that has none yet, `authority` b"" for none."""
    data = dict(secret.data or {})
    if not data.get("token"):
        data["token"] = base64.b64encode(token).decode()
    if authority:
        data["ca.crt"] = base64.b64encode(authority).decode()
    data["namespace"] = base64.b64encode(secret.metadata.namespace.encode()).decode()
    annotations = {**(secret.metadata.annotations or {}), ACCOUNT_UID: account.metadata.uid}
    return data, annotations


class AccountTokensController(Controller):
    """Without a key to sign with it does nothing, and watches nothing. Sees secrets of the one type alone."""

    name = "serviceaccount-token"
    component = "tokens-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        if self.config.service_account_key is None:
            return
        self._key: Path = self.config.service_account_key
        self.secrets = context.informers.of(core_v1.Secret, {"account": _account}, fields=f"type={TYPE}")
        self.accounts = self.informer(core_v1.ServiceAccount)
        self.secrets.add_handler(self.enqueue_self)
        self.accounts.add_handler(self._account_changed)

    def _account_changed(self, old: Any, new: Any) -> None:
        for secret in self.secrets.index("account", key_of(new or old)):
            self.enqueue(key_of(secret))

    async def reconcile(self, key: str) -> float | None:
        secret = self.secrets.get(key)
        if secret is None or secret.metadata.deletionTimestamp is not None or not _account(secret):
            return None
        account = await self._find(secret)
        uid = (secret.metadata.annotations or {}).get(ACCOUNT_UID)
        if account is None or (uid and uid != account.metadata.uid):
            await self._remove(secret)
            return None
        data, annotations = wanted(secret, account, self._authority(), self._token(secret, account))
        if data != secret.data or annotations != secret.metadata.annotations:
            metadata = msgspec.structs.replace(secret.metadata, annotations=annotations)
            await self.write.update(msgspec.structs.replace(secret, data=data, metadata=metadata))
        return None

    async def _find(self, secret: Any) -> Any:
        """The account; asked for when the cache has none, since the secret may have come before the account's event."""
        name = secret.metadata.annotations[ACCOUNT]
        account = self.accounts.get(f"{secret.metadata.namespace}/{name}")
        if account is not None:
            return account
        try:
            return await self.client.get(core_v1.ServiceAccount, name, secret.metadata.namespace)
        except NotFound:
            return None

    async def _remove(self, secret: Any) -> None:
        metadata = secret.metadata
        try:
            await self.client.delete(core_v1.Secret, metadata.name, metadata.namespace, uid=metadata.uid)
        except (NotFound, Conflict):
            return

    def _authority(self) -> bytes:
        return self.config.root_ca.read_bytes() if self.config.root_ca is not None else b""

    def _token(self, secret: Any, account: Any) -> bytes:
        """A new one; b"" where there is one already."""
        if (secret.data or {}).get("token"):
            return b""
        return signed(claims(secret, account), self._key.read_bytes())


def signed(said: dict[str, str], key: bytes) -> bytes:
    """A JWT, signed with a private key in PEM form: RS256, or ES256 and so on after the key's curve."""
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private: Any = serialization.load_pem_private_key(key, password=None)
    algorithm = "RS256"
    if isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = {256: "ES256", 384: "ES384", 521: "ES512"}[private.curve.key_size]
    return jwt.encode(said, private, algorithm=algorithm).encode()


def _account(secret: Any) -> list[str]:
    name = (secret.metadata.annotations or {}).get(ACCOUNT)
    return [f"{secret.metadata.namespace}/{name}"] if name else []
