"""The certificate shown to who asks for a name that no Secret is for, trusted by nobody; and what Secrets may hold."""

from __future__ import annotations

import datetime
import functools

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAYS = 3650
LEAST_RSA_BITS = 2048
"""OpenSSL's on Debian, at its security level 2."""


def self_signed(host: str, now: float) -> bytes:
    """Certificate and key as PEM, good for that DNS name; `now` in seconds since the epoch."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    begins = datetime.datetime.fromtimestamp(now, datetime.UTC) - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form)


@functools.lru_cache(maxsize=4096)
def unfit(certificates: bytes, key: bytes) -> str:
    """Why haproxy could not show these, both PEM, the server's certificate first; "" when it can."""
    try:
        first = x509.load_pem_x509_certificates(certificates)[0]
    except ValueError:
        return "tls.crt holds no certificate"
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls.key holds no private key without a password"
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != first.public_key().public_bytes(*form):
        return "tls.key is not the key of the first certificate in tls.crt"
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < LEAST_RSA_BITS:
        return f"an RSA key needs {LEAST_RSA_BITS} bits or more"
    return ""
