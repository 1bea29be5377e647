"""Providers with keys of their own. Stored forms are upstream's, so the text before the data names provider and key:

    k8s:enc:aesgcm:v1:<key>:     12 bytes nonce, ciphertext with its tag; the store's key is authenticated
    k8s:enc:aescbc:v1:<key>:     16 bytes initialisation vector, ciphertext padded by PKCS #7; not authenticated
    k8s:enc:secretbox:v1:<key>:  24 bytes nonce, NaCl's box: Poly1305 tag and XSalsa20 ciphertext

A store's key (`/registry/core/secrets/<namespace>/<name>`) is authenticated without etcd's prefix: objects may move to
another store, but not from one name to another.
"""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

ENCRYPTED = b"k8s:enc:"
GCM_NONCE, BLOCK = 12, 16


class Undecipherable(Exception):
    """The data was not made with this key, or has been changed since."""


class Cipher(Protocol):
    """One key of one provider. `seal` and `open` take and give what follows `prefix`; `key` is the store's."""

    prefix: bytes

    def seal(self, value: bytes, key: str) -> bytes: ...

    def open(self, data: bytes, key: str) -> bytes:
        """Raises `Undecipherable`."""
        ...


class Identity:
    """No encryption: reads what is not encrypted."""

    prefix = b""

    def seal(self, value: bytes, key: str) -> bytes:
        return value

    def open(self, data: bytes, key: str) -> bytes:
        if data.startswith(ENCRYPTED):
            raise Undecipherable
        return data


class AesGcm:
    """AES in Galois/Counter Mode (NIST SP 800-38D). Its key must be rotated before 2^32 writes: nonces are random."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = b"k8s:enc:aesgcm:v1:%s:" % name.encode()
        self._cipher = AESGCM(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        nonce = os.urandom(GCM_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, key.encode())

    def open(self, data: bytes, key: str) -> bytes:
        try:
            return self._cipher.decrypt(data[:GCM_NONCE], data[GCM_NONCE:], key.encode())
        except (InvalidTag, ValueError):
            raise Undecipherable from None


class AesCbc:
    """AES in cipher block chaining with PKCS #7 padding (RFC 5652, 6.3)."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = b"k8s:enc:aescbc:v1:%s:" % name.encode()
        self._algorithm = algorithms.AES(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        vector = os.urandom(BLOCK)
        padder = PKCS7(BLOCK * 8).padder()
        cipher = BlockCipher(self._algorithm, modes.CBC(vector)).encryptor()
        return vector + cipher.update(padder.update(value) + padder.finalize()) + cipher.finalize()

    def open(self, data: bytes, key: str) -> bytes:
        try:
            cipher = BlockCipher(self._algorithm, modes.CBC(data[:BLOCK])).decryptor()
            unpadder = PKCS7(BLOCK * 8).unpadder()
            return unpadder.update(cipher.update(data[BLOCK:]) + cipher.finalize()) + unpadder.finalize()
        except ValueError:
            raise Undecipherable from None


class SecretBox:
    """NaCl's crypto_secretbox (https://nacl.cr.yp.to/secretbox.html); its nonces are long enough to be random."""

    def __init__(self, name: str, secret: bytes) -> None:
        from nacl.secret import SecretBox as Box

        self.prefix = b"k8s:enc:secretbox:v1:%s:" % name.encode()
        self._box = Box(secret)

    def seal(self, value: bytes, key: str) -> bytes:
        return bytes(self._box.encrypt(value))

    def open(self, data: bytes, key: str) -> bytes:
        from nacl.exceptions import CryptoError

        try:
            return bytes(self._box.decrypt(data))
        except (CryptoError, ValueError, TypeError):
            raise Undecipherable from None
