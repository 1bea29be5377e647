"""Secrets with accounts' tokens: filled when made, mended when spoiled, gone with the account."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sampan.api.kinds import core_v1
from sampan.controllers.accounttokens import TYPE, AccountTokensController
from sampan.controllers.context import Config
from tests.unit.controllers.harness import meta, world


def secret(name: str, account: str | None = "bot", kind: str = TYPE) -> Any:
    annotations = {"kubernetes.io/service-account.name": account} if account else None
    return core_v1.Secret(metadata=meta(name, annotations=annotations), type=kind)


def config(folder: Path) -> tuple[Config, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "sa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    (folder / "ca.crt").write_text("PEM")
    return Config(root_ca=folder / "ca.crt", service_account_key=folder / "sa.key"), key.public_key()


def data(w: Any, name: str = "s") -> dict[str, bytes]:
    found = w.api.peek(core_v1.Secret, name, "a").data or {}
    return {key: base64.b64decode(value) for key, value in found.items()}


async def test_a_secret_gets_its_accounts_token(tmp_path: Path) -> None:
    settings, public = config(tmp_path)
    async with world(AccountTokensController, config=settings) as w:
        w.api.add(core_v1.ServiceAccount(metadata=meta("bot")), secret("s"), secret("other", kind="Opaque"))
        await w.settle()
        uid = w.api.peek(core_v1.ServiceAccount, "bot", "a").metadata.uid
        made = data(w)
        assert (made["ca.crt"], made["namespace"]) == (b"PEM", b"a")
        said = jwt.decode(made["token"].decode(), public, algorithms=["ES256"])
        assert said == {
            "iss": "kubernetes/serviceaccount",
            "sub": "system:serviceaccount:a:bot",
            "kubernetes.io/serviceaccount/namespace": "a",
            "kubernetes.io/serviceaccount/secret.name": "s",
            "kubernetes.io/serviceaccount/service-account.name": "bot",
            "kubernetes.io/serviceaccount/service-account.uid": uid,
        }
        annotations = w.api.peek(core_v1.Secret, "s", "a").metadata.annotations
        assert annotations["kubernetes.io/service-account.uid"] == uid
        assert data(w, "other") == {}
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_what_was_taken_out_comes_back(tmp_path: Path) -> None:
    settings, _ = config(tmp_path)
    async with world(AccountTokensController, config=settings) as w:
        w.api.add(core_v1.ServiceAccount(metadata=meta("bot")), secret("s"))
        await w.settle()
        w.api.change(core_v1.Secret, "s", "a", lambda found: setattr(found, "data", None))
        await w.settle()
        assert set(data(w)) == {"token", "ca.crt", "namespace"}


async def test_a_secret_goes_with_its_account(tmp_path: Path) -> None:
    settings, _ = config(tmp_path)
    async with world(AccountTokensController, config=settings) as w:
        w.api.add(core_v1.ServiceAccount(metadata=meta("bot")), secret("s"), secret("nobodys", account="none"))
        w.api.add(secret("nameless", account=None))
        await w.settle()
        assert [one.metadata.name for one in w.api.all(core_v1.Secret, "a")] == ["nameless", "s"]
        await w.api.delete(core_v1.ServiceAccount, "bot", "a")
        w.api.add(core_v1.ServiceAccount(metadata=meta("bot")))
        await w.settle()
        assert [one.metadata.name for one in w.api.all(core_v1.Secret, "a")] == ["nameless"], "another account"


async def test_without_a_key_nothing_is_done() -> None:
    async with world(AccountTokensController) as w:
        w.api.add(core_v1.ServiceAccount(metadata=meta("bot")), secret("s"))
        await w.settle()
        assert data(w) == {}
