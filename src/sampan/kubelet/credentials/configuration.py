"""A CredentialProviderConfig (kubelet.config.k8s.io): which programs are asked for which images' credentials.

The path is one file, or a folder whose `*.json`, `*.yaml` and `*.yml` files are joined in the order of their names.
Unknown fields are refused; all mistakes are told at once, in upstream's words.
("Configure a kubelet image credential provider"; API reference, Kubelet CredentialProvider (v1).)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml

from sampan.api import names
from sampan.api.durations import read_duration
from sampan.api.errors import FieldError
from sampan.api.validation.problems import duplicate, each_invalid, forbidden, invalid, not_supported, required

GROUP = "kubelet.config.k8s.io"
VERSIONS = tuple(f"{GROUP}/{version}" for version in ("v1", "v1alpha1", "v1beta1"))
PROTOCOL = "credentialprovider.kubelet.k8s.io/v1"
PROTOCOLS = (PROTOCOL, f"{PROTOCOL}alpha1", f"{PROTOCOL}beta1")
SUFFIXES = (".json", ".yaml", ".yml")
CACHE_TYPES = ("ServiceAccount", "Token")
MOST_BYTES = 1 << 20
BAD_NAMES = {"/": "provider name cannot contain '/'", " ": "provider name cannot contain spaces"}


class BadProviders(ValueError):
    """The configuration will not do; the message says where and why."""


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    value: str


class TokenAttributes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    serviceAccountTokenAudience: str = ""
    cacheType: str = ""
    requireServiceAccount: bool | None = None
    requiredServiceAccountAnnotationKeys: tuple[str, ...] = ()
    optionalServiceAccountAnnotationKeys: tuple[str, ...] = ()


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""
    matchImages: tuple[str, ...] = ()
    defaultCacheDuration: str | None = None
    apiVersion: str = ""
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    tokenAttributes: TokenAttributes | None = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    apiVersion: str
    providers: tuple[Provider, ...] = ()


def load(path: Path, programs: Path) -> tuple[Provider, ...]:
    """The providers, whose programs are all in the folder `programs`. Raises BadProviders."""
    if not programs.is_dir():
        raise BadProviders(f"plugin binary directory {programs} did not exist")
    found = tuple(provider for file in files(path) for provider in read(file).providers)
    problems = list(mistakes(found))
    if problems:
        listed = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise BadProviders(f"failed to validate credential provider config: {listed}")
    for provider in found:
        if not os.access(programs / provider.name, os.X_OK):
            raise BadProviders(f"plugin binary executable {programs / provider.name} did not exist")
    return found


def files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.is_dir())
    if not found:
        raise BadProviders(f'no configuration files found in directory "{path}"')
    return found


def read(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES} bytes")
        found = msgspec.convert(yaml.safe_load(data), Document)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise BadProviders(f'error decoding config "{path}": {error}') from None
    if found.kind != "CredentialProviderConfig" or found.apiVersion not in VERSIONS:
        wanted = f"a CredentialProviderConfig of {', '.join(VERSIONS)}"
        raise BadProviders(f'error decoding config "{path}": it is no {wanted}')
    return found


def mistakes(providers: tuple[Provider, ...]) -> Iterator[FieldError]:
    if not providers:
        yield required("providers", "at least 1 item in plugins is required")
    seen = set()
    for provider in providers:
        if provider.name in seen:
            yield duplicate("providers.name", provider.name)
        seen.add(provider.name)
        yield from wrong_name(provider.name)
        yield from wrong_protocol(provider.apiVersion)
        yield from wrong_images(provider.matchImages)
        yield from wrong_duration(provider.defaultCacheDuration)
        if provider.tokenAttributes is not None:
            yield from wrong_attributes("providers.tokenAttributes", provider.tokenAttributes, provider.apiVersion)


def wrong_name(name: str) -> Iterator[FieldError]:
    if not name:
        yield required("providers.name", "it is the name of a program")
    for part, text in BAD_NAMES.items():
        if part in name:
            yield invalid("providers.name", name, text)
    if name in (".", ".."):
        yield invalid("providers.name", name, f"provider name cannot be '{name}'")


def wrong_protocol(version: str) -> Iterator[FieldError]:
    if not version:
        yield required("providers.apiVersion")
    elif version not in PROTOCOLS:
        yield not_supported("providers.apiVersion", version, PROTOCOLS)


def wrong_images(patterns: tuple[str, ...]) -> Iterator[FieldError]:
    if not patterns:
        yield required("providers.matchImages", "at least 1 item in matchImages is required")
    for pattern in patterns:
        if not pattern.partition("/")[0] or not pattern.isprintable() or " " in pattern:
            yield invalid("providers.matchImages", pattern, "match image is invalid: it is HOST[:PORT][/PATH]")


def wrong_duration(text: str | None) -> Iterator[FieldError]:
    if text is None:
        yield required("providers.defaultCacheDuration")
        return
    try:
        read_duration(text)
    except ValueError as error:
        yield invalid("providers.defaultCacheDuration", text, str(error))


def wrong_attributes(field: str, found: TokenAttributes, version: str) -> Iterator[FieldError]:
    needed, more = found.requiredServiceAccountAnnotationKeys, found.optionalServiceAccountAnnotationKeys
    if not found.serviceAccountTokenAudience:
        yield required(f"{field}.serviceAccountTokenAudience")
    if found.requireServiceAccount is None:
        yield required(f"{field}.requireServiceAccount")
    if version != PROTOCOL:
        yield forbidden(field, f"tokenAttributes is only supported for {PROTOCOL} API version")
    if found.requireServiceAccount is False and needed:
        text = "requireServiceAccount cannot be false when requiredServiceAccountAnnotationKeys is set"
        yield forbidden(f"{field}.requiredServiceAccountAnnotationKeys", text)
    yield from wrong_keys(f"{field}.requiredServiceAccountAnnotationKeys", needed)
    yield from wrong_keys(f"{field}.optionalServiceAccountAnnotationKeys", more)
    if set(needed) & set(more):
        yield invalid(field, sorted(set(needed) & set(more)), "annotation keys cannot be both required and optional")
    yield from wrong_cache(f"{field}.cacheType", found.cacheType)


def wrong_keys(field: str, keys: tuple[str, ...]) -> Iterator[FieldError]:
    for index, key in enumerate(keys):
        yield from each_invalid(field, key, names.qualified(key.lower()))
        if key in keys[:index]:
            yield duplicate(field, key)


def wrong_cache(field: str, cache: str) -> Iterator[FieldError]:
    if not cache:
        supported = f"Supported values are: {', '.join(CACHE_TYPES)}"
        yield required(field, f"cacheType is required to be set when tokenAttributes is specified. {supported}")
    elif cache not in CACHE_TYPES:
        yield not_supported(field, cache, CACHE_TYPES)
