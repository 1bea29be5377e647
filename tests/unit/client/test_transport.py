"""TLS with client certificates, and what is said when they are of no use."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.aio.clock import SystemClock
from sampan.client.config import ClientConfig
from sampan.client.errors import BadConfig, Unreachable
from sampan.client.rest import RestClient
from sampan.client.transport import ssl_context


def certificate(name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None) -> tuple:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("kubernetes")]
    if issuer is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def pem(certified: tuple) -> tuple[bytes, bytes]:
    private = certified[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certified[0].public_bytes(serialization.Encoding.PEM), private


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[str, bytes, tuple]]:
    """A TLS server that wants client certificates and answers with the name in them."""
    authority = certificate("ca")
    ca = pem(authority)[0]
    cert, key = pem(certificate("server", authority))
    (folder / "server.pem").write_bytes(cert + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca.decode())
    context.load_cert_chain(folder / "server.pem")
    context.verify_mode = ssl.CERT_OPTIONAL

    async def handle(request: web.BaseRequest) -> web.Response:
        peer = request.transport.get_extra_info("peercert") if request.transport else None
        subject = dict(pair for group in (peer or {}).get("subject", ()) for pair in group)
        return web.Response(text=subject.get("commonName", "nobody"))

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}", ca, authority
    await runner.cleanup()


async def test_the_certificate_says_who_we_are(tmp_path: Path) -> None:
    async with serving(tmp_path) as (url, ca, authority):
        cert, key = pem(certificate("admin", authority))
        config = ClientConfig(server=url, ca=ca, cert=cert, key=key, server_name="kubernetes")
        async with RestClient(config, SystemClock()) as client:
            assert await client.raw("GET", "/") == b"admin"
        async with RestClient(ClientConfig(server=url, ca=ca), SystemClock()) as client:
            assert await client.raw("GET", "/") == b"nobody"


KEEPALIVE = "02"
"""The timer that /proc/net/tcp shows for a connection whose other end is asked for while nothing is said."""


async def test_a_connection_that_says_nothing_is_asked_for(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (url, ca, _),
        RestClient(ClientConfig(server=url, ca=ca), SystemClock()) as client,
    ):
        await client.raw("GET", "/")
        port = f"0100007F:{int(url.rpartition(':')[2]):04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]  # noqa: ASYNC240
        timers = [row[5].partition(":")[0] for row in rows if row[2] == port]
    assert timers == [KEEPALIVE]


async def test_a_server_we_do_not_trust_is_unreachable(tmp_path: Path) -> None:
    async with serving(tmp_path) as (url, _, _):
        stranger = pem(certificate("another"))[0]
        async with RestClient(ClientConfig(server=url, ca=stranger), SystemClock()) as client:
            with pytest.raises(Unreachable, match="certificate"):
                await client.raw("GET", "/")
        config = ClientConfig(server=url, insecure_skip_tls_verify=True)
        async with RestClient(config, SystemClock()) as client:
            assert await client.raw("GET", "/") == b"nobody"


def test_broken_certificates_are_named() -> None:
    with pytest.raises(BadConfig, match="certificates for https://h"):
        ssl_context(ClientConfig(server="https://h", ca=b"nonsense"))
