"""Reading an EncryptionConfiguration, `apiserver.config.k8s.io/v1`.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/ Which rule a resource comes under is decided by
the first that names it: as `secrets`, `deployments.apps`, `*.apps` (a group), `*.` (the legacy group), or `*.*`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from sampan.codec import yaml
from sampan.codec.errors import CodecError
from sampan.store import keys
from sampan.store.encryption.chain import PLAIN, Chain
from sampan.store.encryption.ciphers import AesCbc, AesGcm, Cipher, Identity, SecretBox
from sampan.store.encryption.kms import Kms
from sampan.store.errors import StoreError

API_VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
GENERATE = "make one with `head -c 32 /dev/urandom | base64`"


class InvalidConfiguration(StoreError):
    """The file cannot be used; the message names the field and says what is wanted."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        return f"Key(name={self.name!r})"


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: list[Key] = []


class KmsPlugin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    endpoint: str
    apiVersion: str = "v1"
    cachesize: int | None = None
    timeout: str = "3s"


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    aesgcm: Keys | None = None
    aescbc: Keys | None = None
    secretbox: Keys | None = None
    identity: dict[str, Any] | None = None
    kms: KmsPlugin | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    resources: list[str] = []
    providers: list[Provider] = []


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    apiVersion: str = ""
    kind: str = ""
    resources: list[Rule] = []


MAKERS: dict[str, tuple[Callable[[str, bytes], Cipher], tuple[int, ...]]] = {
    "aesgcm": (AesGcm, (16, 24, 32)),
    "aescbc": (AesCbc, (16, 24, 32)),
    "secretbox": (SecretBox, (32,)),
}


class Configuration:
    """Which chain each resource has. `plugins` are the KMS plug-ins among the providers, by name."""

    def __init__(self, rules: Iterable[tuple[list[str], Chain]], plugins: dict[str, Kms]) -> None:
        self._rules = list(rules)
        self.plugins = plugins
        self._known: dict[str, Chain] = {}

    def chain(self, key: str) -> Chain:
        """The chain of the object at a store's key."""
        place = key[: _end_of_resource(key)]
        chain = self._known.get(place)
        if chain is None:
            chain = self._known[place] = self._find(place)
        return chain

    def _find(self, place: str) -> Chain:
        parts = place.split("/")
        if not place.startswith(keys.ROOT) or len(parts) < 4:
            return PLAIN
        group, plural = ("" if parts[2] == keys.CORE else parts[2]), parts[3]
        names = {f"{plural}.{group}" if group else plural, f"*.{group}", "*.*"}
        return next((chain for resources, chain in self._rules if names.intersection(resources)), PLAIN)


def _end_of_resource(key: str) -> int:
    """Where `/registry/<group>/<plural>` ends in a key."""
    position = 0
    for _ in range(3):
        position = key.find("/", position + 1)
        if position < 0:
            return len(key)
    return position


def load(path: Path) -> Configuration:
    """The configuration in a file; raises `InvalidConfiguration`."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise InvalidConfiguration(f"{path} cannot be read: {error.strerror}") from error
    except InvalidConfiguration as error:
        raise InvalidConfiguration(f"{path}: {error}") from None


def parse(data: bytes) -> Configuration:
    """The configuration in YAML or JSON; raises `InvalidConfiguration`."""
    try:
        file = msgspec.convert(yaml.decode(data, strict=True), File)
    except (CodecError, msgspec.ValidationError) as error:
        raise InvalidConfiguration(str(error)) from None
    if (file.apiVersion, file.kind) != (API_VERSION, KIND):
        raise InvalidConfiguration(f"want kind {KIND} of apiVersion {API_VERSION}")
    if not file.resources:
        raise InvalidConfiguration("resources: at least one rule is required")
    plugins: dict[str, Kms] = {}
    return Configuration([_rule(n, rule, plugins) for n, rule in enumerate(file.resources)], plugins)


def _rule(number: int, rule: Rule, plugins: dict[str, Kms]) -> tuple[list[str], Chain]:
    place = f"resources[{number}]"
    if not rule.resources or not rule.providers:
        raise InvalidConfiguration(f"{place}: resources and providers must each have at least one entry")
    ciphers: list[Cipher] = []
    for n, provider in enumerate(rule.providers):
        ciphers += _ciphers(f"{place}.providers[{n}]", provider, plugins)
    return [name if name == "*." else name.rstrip(".") for name in rule.resources], Chain(ciphers)


def _ciphers(place: str, provider: Provider, plugins: dict[str, Kms]) -> list[Cipher]:
    given = [name for name in provider.__struct_fields__ if getattr(provider, name) is not None]
    if len(given) != 1:
        raise InvalidConfiguration(f"{place}: name exactly one of {', '.join(provider.__struct_fields__)}")
    if provider.kms is not None:
        return [_plugin(f"{place}.kms", provider.kms, plugins)]
    if given == ["identity"]:
        return [Identity()]
    found: Keys = getattr(provider, given[0])
    names = [key.name for key in found.keys]
    if not names:
        raise InvalidConfiguration(f"{place}.{given[0]}.keys: at least one key is required")
    if len(set(names)) < len(names):
        raise InvalidConfiguration(f"{place}.{given[0]}.keys: each key needs a name of its own")
    return [_cipher(f"{place}.{given[0]}.keys[{n}]", given[0], key) for n, key in enumerate(found.keys)]


def _cipher(place: str, kind: str, key: Key) -> Cipher:
    make, lengths = MAKERS[kind]
    if not key.name or ":" in key.name:
        raise InvalidConfiguration(f"{place}.name: a name without colons is required")
    try:
        secret = base64.b64decode(key.secret, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidConfiguration(f"{place}.secret: must be base64: {GENERATE}") from None
    if len(secret) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise InvalidConfiguration(f"{place}.secret: must be {wanted} bytes, has {len(secret)}: {GENERATE}")
    return make(key.name, secret)


def _plugin(place: str, plugin: KmsPlugin, plugins: dict[str, Kms]) -> Kms:
    if plugin.apiVersion != "v2":
        raise InvalidConfiguration(f"{place}.apiVersion: only v2 is supported; v1 is deprecated since Kubernetes v1.28")
    if not plugin.name or ":" in plugin.name:
        raise InvalidConfiguration(f"{place}.name: a name without colons is required")
    if not plugin.endpoint.startswith("unix://"):
        raise InvalidConfiguration(f"{place}.endpoint: want unix:///path/to/socket")
    known = plugins.get(plugin.name)
    if known is not None and known.endpoint != plugin.endpoint:
        raise InvalidConfiguration(f"{place}.name: {plugin.name} is used twice with different endpoints")
    return plugins.setdefault(plugin.name, Kms(plugin.name, plugin.endpoint, _seconds(place, plugin.timeout)))


def _seconds(place: str, text: str) -> float:
    units = {"ms": 1e-3, "s": 1.0, "m": 60.0}
    for unit, size in units.items():
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * size
    raise InvalidConfiguration(f"{place}.timeout: want a duration such as 3s or 500ms")
