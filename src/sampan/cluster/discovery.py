"""How a joining machine comes to trust its cluster.

It knows an address, a token, and perhaps digests of authorities. It asks that address, believing nothing, for the
public `cluster-info`; takes its kubeconfig only when the token's signature of it is right and, where digests were
given, when one of its authorities has one of them; then asks again, now believing those authorities alone, and takes
the answer only when it is the same. The token itself is not sent before that. Source: "kubeadm join", section
"Discovering what cluster CA to trust".
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sampan.client import bootstrap
from sampan.client.bootstrap import Token
from sampan.client.config import ClientConfig
from sampan.client.transport import ssl_context
from sampan.cluster.errors import ClusterError

PIN_PREFIX = "sha256:"
PATH = f"/api/v1/namespaces/{bootstrap.INFO_NAMESPACE}/configmaps/{bootstrap.INFO_NAME}"
ASK_SECONDS = 10.0
LIMIT_BYTES = 1 << 20
ADVICE = "make a new token where the cluster runs: `sampan token create`"


@dataclass(frozen=True)
class Found:
    """Where the cluster's API is, and the authorities (PEM) that vouch for it."""

    server: str
    authorities: bytes


async def discover(server: str, token: Token, pins: Collection[str]) -> Found:
    """Raises ClusterError that says what to do."""
    first = await _ask(ClientConfig(server=server, insecure_skip_tls_verify=True))
    found = believed(first, token, pins)
    again = await _ask(ClientConfig(server=server, ca=found.authorities))
    if again.get(bootstrap.KUBECONFIG) != first.get(bootstrap.KUBECONFIG):
        raise ClusterError(f"{server} gave two answers about the cluster: somebody may be between it and this machine")
    return found


def believed(data: dict[str, Any], token: Token, pins: Collection[str]) -> Found:
    """What `cluster-info` says, when the token and the digests vouch for it. Pure; raises ClusterError."""
    content, shown = data.get(bootstrap.KUBECONFIG), data.get(bootstrap.SIGNATURE_PREFIX + token.id)
    if not isinstance(content, str):
        raise ClusterError(f"the server tells nothing about its cluster: {ADVICE}")
    if not isinstance(shown, str):
        raise ClusterError(f"token {token.id} is not known there, or has ended: {ADVICE}")
    if not bootstrap.verified(content, shown, token):
        raise ClusterError(
            f"what the server tells was not signed with token {token.id}: check the address and the token; if both are "
            "right, somebody may be between the server and this machine"
        )
    found = _read(content)
    known = {digest(authority) for authority in x509.load_pem_x509_certificates(found.authorities)}
    if pins and not known & set(pins):
        raise ClusterError(
            f"none of the cluster's authorities has the digest given: they have {', '.join(sorted(known))}; "
            "compare it with what `sampan token create` printed there"
        )
    return found


def _read(content: str) -> Found:
    """The one cluster of the kubeconfig; only what is inline in it counts. Raises ClusterError."""
    try:
        (entry,) = yaml.safe_load(content)["clusters"]
        server = str(entry["cluster"]["server"])
        authorities = base64.b64decode(entry["cluster"]["certificate-authority-data"], validate=True)
        x509.load_pem_x509_certificates(authorities)
    except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
        raise ClusterError(f"cluster-info holds no usable kubeconfig ({error}): {ADVICE}") from None
    return Found(server, authorities)


def digest(authority: x509.Certificate) -> str:
    """As kubeadm writes it: `sha256:` and the hex digest of the public key (RFC 7469)."""
    public = authority.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return PIN_PREFIX + hashlib.sha256(public).hexdigest()


def checked_pins(pins: Collection[str]) -> list[str]:
    """Raises ClusterError for what cannot be a digest: a pin that never matches must not look like one that is off."""
    for pin in pins:
        text = pin.removeprefix(PIN_PREFIX)
        if not pin.startswith(PIN_PREFIX) or len(text) != 64 or not set(text.lower()) <= set("0123456789abcdef"):
            raise ClusterError(f"--ca-cert-hash {pin}: want sha256: and 64 hexadecimal digits")
    return [pin.lower() for pin in pins]


async def _ask(config: ClientConfig) -> dict[str, Any]:
    """The data of `cluster-info`, at most `LIMIT_BYTES` of whatever is told. Raises ClusterError."""
    url = config.server.rstrip("/") + PATH
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, ssl=ssl_context(config), allow_redirects=False) as response,
        ):
            body = await response.content.read(LIMIT_BYTES)
            while len(body) < LIMIT_BYTES and (more := await response.content.read(LIMIT_BYTES - len(body))):
                body += more
            status = response.status
        answer = msgspec.json.decode(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ClusterError(f"{config.server} does not answer ({error}): check the address and the network") from None
    except msgspec.DecodeError:
        raise ClusterError(f"{config.server} is no API server: check the address") from None
    if status != 200:
        raise ClusterError(f"{config.server} does not let machines join (HTTP {status}): {ADVICE}")
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else {}


def kubeconfig_for(server: str, authorities: bytes) -> str:
    """The kubeconfig in `cluster-info`: no user, no credentials."""
    inline = base64.b64encode(authorities).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "", "cluster": {"server": server, "certificate-authority-data": inline}}],
        "contexts": [{"name": "", "context": {"cluster": ""}}],
        "users": [],
    }
    return str(yaml.safe_dump(document, sort_keys=False))
