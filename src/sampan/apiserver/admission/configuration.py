"""The file of `--admission-control-config-file`: what each plugin is told, inline or in a file of its own.

    apiVersion: apiserver.config.k8s.io/v1
    kind: AdmissionConfiguration
    plugins:
    - name: EventRateLimit
      path: eventconfig.yaml          # relative to this file
    - name: PodSecurity
      configuration: {apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, ...}

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#AdmissionConfiguration
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sampan.codec import yaml
from sampan.codec.errors import CodecError

VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1")
MOST_BYTES = 1 << 20
T = TypeVar("T")


class _Plugin(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    path: str = ""
    configuration: Any = None


class _Admission(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    plugins: list[_Plugin] = []


def read(path: Path) -> dict[str, Any]:
    """By plugin's name, the JSON value of its configuration.

    Raises ValueError that names the file and the place in it, and OSError for a file that cannot be read.
    """
    document = convert(_document(path), _Admission, where=str(path))
    if document.apiVersion not in VERSIONS or document.kind != "AdmissionConfiguration":
        found = f"{document.apiVersion} {document.kind}"
        raise ValueError(f"{path}: expected {VERSIONS[0]} AdmissionConfiguration, not {found}")
    found_plugins: dict[str, Any] = {}
    for number, plugin in enumerate(document.plugins):
        if plugin.name in found_plugins:
            raise ValueError(f"{path}: plugins[{number}]: {plugin.name} is configured twice")
        found_plugins[plugin.name] = _of(plugin, path)
    return found_plugins


def _of(plugin: _Plugin, path: Path) -> Any:
    """Inline configuration goes first, as upstream has it."""
    if plugin.configuration is not None:
        return plugin.configuration
    return _document(path.parent / plugin.path) if plugin.path else None


def _document(path: Path) -> Any:
    data = path.read_bytes()
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path}: {len(data)} bytes are more than a configuration may have ({MOST_BYTES})")
    try:
        return yaml.decode(data, strict=True)
    except CodecError as error:
        raise ValueError(f"{path}: {error}") from None


def convert(value: Any, type_: type[T], *, where: str) -> T:
    """`value` as `type_`. Raises ValueError that says where it does not fit."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from None


def check_type(settings: Any, versions: tuple[str, ...], kind: str) -> None:
    """Raises ValueError unless a plugin's configuration says that it is of this type."""
    found = (settings.get("apiVersion"), settings.get("kind")) if isinstance(settings, dict) else (None, None)
    if found[0] not in versions or found[1] != kind:
        raise ValueError(f"expected {versions[0]} {kind}, not {found[0] or 'no apiVersion'} {found[1] or 'no kind'}")
