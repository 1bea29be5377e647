"""Client certificates, whoever signed them: 401 for what is not good, and never a failed handshake."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.aio import shown

from .parties import Authority, pem
from .test_proxies import ask

HOUR = datetime.timedelta(hours=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
ADMIN = ("admin", "system:masters")
Signer = tuple[x509.Certificate, Any]


def made(
    names: tuple[str, ...],
    signer: Signer | None,
    *,
    begins: datetime.timedelta = -HOUR,
    ends: datetime.timedelta = HOUR,
    usage: Any = CLIENT,
    authority: bool = False,
) -> Signer:
    """A certificate and its key; signed by itself without a signer."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in names[1:]]
    subject = x509.Name(attributes)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now + begins)
    builder = builder.not_valid_after(now + ends).issuer_name(signer[0].subject if signer else subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(signer[1] if signer else key, hashes.SHA256()), key


def files(folder: Path, *chain: Signer) -> tuple[Path, Path]:
    """The first one's certificate with what is to be shown beside it, and its key."""
    text = b"".join(one[0].public_bytes(serialization.Encoding.PEM) for one in chain)
    number = len(list(folder.iterdir()))
    certificate, key = folder / f"{number}.crt", folder / f"{number}.key"
    certificate.write_bytes(text)
    key.write_bytes(pem(chain[0][1]))
    return certificate, key


@pytest.fixture(scope="module")
def world(special_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("certificates")
    people = Authority(folder, "people")
    api = special_server("--client-ca-file", str(people.bundle))
    shown_ = tmp_path_factory.mktemp("shown")
    return SimpleNamespace(api=api, folder=shown_, people=(people.certificate, people._key))


def forged(world: Any) -> Signer:
    """An authority of the same name, with another key."""
    return made(("people",), None, authority=True)


REFUSED: dict[str, Callable[[Any], tuple[Signer, ...]]] = {
    "of an unknown authority": lambda w: (made(ADMIN, made(("strangers",), None, authority=True)),),
    "of an authority of the same name": lambda w: (made(ADMIN, forged(w)),),
    "with its unknown authority beside it": lambda w: (made(ADMIN, own := forged(w)), own),
    "signed by itself": lambda w: (made(ADMIN, None),),
    "signed by itself, as an authority": lambda w: (made(ADMIN, None, authority=True),),
    "expired": lambda w: (made(ADMIN, w.people, ends=-HOUR / 2),),
    "not yet valid": lambda w: (made(ADMIN, w.people, begins=HOUR / 2),),
    "for servers": lambda w: (made(ADMIN, w.people, usage=SERVER),),
    "signed by one that is no authority": lambda w: (made(ADMIN, user := made(("ann",), w.people)), user),
    "by an intermediate authority that is not shown": lambda w: (
        made(ADMIN, made(("between",), w.people, authority=True)),
    ),
    "by an intermediate authority that has ended": lambda w: (
        made(ADMIN, between := made(("between",), w.people, authority=True, ends=-HOUR / 2)),
        between,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_good_is_nobody(world: Any, what: str) -> None:
    """Nor anonymous, and no harm to a token beside it."""
    certificate = files(world.folder, *REFUSED[what](world))
    assert ask(world, certificate, {}) == 401
    assert ask(world, certificate, {}, token="wrong") == 401
    assert ask(world, certificate, {}, token="nobody-token")["username"] == "nobody"


def test_what_is_good_is_somebody(world: Any) -> None:
    assert ask(world, files(world.folder, made(("ann", "dev"), world.people)), {})["groups"][0] == "dev"
    between = made(("between",), world.people, authority=True)
    assert ask(world, files(world.folder, made(("bob",), between), between), {})["username"] == "bob"
    assert ask(world, None, {}) == 401


def who(world: Any, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession, bool]:
    """The status line for one request of its own connection, and the session to take up again."""
    plain = socket.create_connection(("127.0.0.1", world.api.port), timeout=20)
    with context.wrap_socket(plain, session=session) as connection:
        connection.sendall(b"GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        assert connection.session is not None
        return answer.split(b"\r\n")[0], connection.session, bool(connection.session_reused)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_taken_up_again_is_no_way_round(world: Any, version: ssl.TLSVersion) -> None:
    for chain, status in (
        ((made(ADMIN, forged(world)),), b"HTTP/1.1 401 Unauthorized"),
        ((made(ADMIN, world.people),), b"HTTP/1.1 200 OK"),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(*files(world.folder, *chain))
        first, session, _ = who(world, context, None)
        again, _, reused = who(world, context, session)
        assert (first, again, reused) == (status, status, True)


def test_what_this_rests_on_is_there() -> None:
    """Where it is not, handshakes fail instead; the tests above need it."""
    assert shown._functions() is not None
