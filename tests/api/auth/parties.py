"""Real counterparts: an authority, HTTPS servers on loopback with certificates of it, and issuers of tokens on them."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Answer = tuple[int, Any]
Handler = Callable[[str, Any], Answer]
"""Path and decoded body to status and JSON, or bytes that are sent as they are."""


def pem(key: Any) -> bytes:
    """A private key as a file holds it."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))


class Authority:
    """Signs certificates; `bundle` is the file to trust."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(self._name, self._key.public_key(), authority=True)
        self.text = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.bundle = folder / f"{name}.crt"
        self.bundle.write_text(self.text)

    def issue(self, name: str, *organizations: str) -> tuple[Path, Path]:
        """Certificate and key for a client or for a server on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
        certificate = self._signed(x509.Name(names), key.public_key())
        files = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(pem(key))
        return files

    def _signed(self, name: x509.Name, key: Any, *, authority: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(address, critical=False)
            .sign(self._key, hashes.SHA256())
        )


class Party:
    """An HTTPS server that answers JSON with JSON. `seen` are the bodies it was sent; `handle` may be replaced."""

    def __init__(self, authority: Authority, name: str, handle: Handler) -> None:
        self.handle = handle
        self.seen: list[Any] = []
        self.asked: list[str] = []
        self.shown: list[str] = []
        self._authority = authority
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(name))
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        party = self

        class Requests(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                party.asked.append(self.path)
                party.shown.append(self.headers.get("Authorization", ""))
                party.seen.append(body)
                status, answer = party.handle(self.path, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: Any) -> None:
                """A client that went away."""

        self._server = server = Server(("127.0.0.1", self.port), Requests)
        server.socket = self._context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def kubeconfig(self, folder: Path, name: str, path: str = "", **user: Any) -> Path:
        """A file that names this server to those who ask it."""
        data = base64.b64encode(self._authority.text.encode()).decode()
        cluster = {"server": self.url + path, "certificate-authority-data": data}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        file = folder / f"{name}.kubeconfig"
        file.write_text(json.dumps(document))
        return file


class Issuer:
    """An OpenID provider: discovery, keys, and tokens signed with them."""

    def __init__(self, authority: Authority, name: str, *, curve: bool = False) -> None:
        self._curve = curve
        self.key: Any = None
        self.rotate("first")
        self.party = Party(authority, name, self._documents)

    @property
    def url(self) -> str:
        return self.party.url

    @property
    def algorithm(self) -> str:
        return "ES256" if self._curve else "RS256"

    def rotate(self, name: str) -> None:
        """Sign with a new key, and publish that one alone."""
        self.name = name
        self.key = (
            ec.generate_private_key(ec.SECP256R1())
            if self._curve
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )

    def token(self, now: float, *, key: Any = None, algorithm: str = "", **claims: Any) -> str:
        """A token for `api`, good for an hour, unless `claims` say otherwise (None: leave that claim out)."""
        said = {"iss": self.url, "aud": "api", "sub": "ann", "iat": int(now), "exp": int(now) + 3600, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        data, head = json.dumps(said).encode(), {"kid": self.name}
        return jwt.PyJWS().encode(data, key or self.key, algorithm=algorithm or self.algorithm, headers=head)

    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return bytes(self.key.public_key().public_bytes(serialization.Encoding.PEM, form))

    def _documents(self, path: str, body: Any) -> Answer:
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            kind: Any = ECAlgorithm if self._curve else RSAAlgorithm
            key = kind.to_jwk(self.key.public_key(), as_dict=True)
            return 200, {"keys": [{**key, "kid": self.name, "use": "sig", "alg": self.algorithm}]}
        return 404, {}


@contextmanager
def running(*parties: Party) -> Iterator[None]:
    try:
        yield
    finally:
        for party in parties:
            party.stop()


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
