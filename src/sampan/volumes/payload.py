"""From the keys of a ConfigMap or Secret to files: `items`, modes, `optional`, alike for every volume of that sort."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.volumes.atomic import Projected
from sampan.volumes.errors import VolumeError

DEFAULT_MODE = 0o644


def config_map_data(config_map: Any) -> dict[str, bytes]:
    texts = {key: text.encode() for key, text in (config_map.data or {}).items()}
    return texts | {key: base64.b64decode(value) for key, value in (config_map.binaryData or {}).items()}


def secret_data(secret: Any) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (secret.data or {}).items()}


def project(
    data: Mapping[str, bytes], items: Sequence[Any] | None, mode: int | None, *, optional: bool, what: str
) -> dict[str, Projected]:
    """The files for all keys, or for those that `items` names; `what` is "config" or "secret" in the message.

    Raises VolumeError for an item whose key is missing, unless the source is optional.
    """
    default = DEFAULT_MODE if mode is None else mode
    if not items:
        return {key: Projected(content, default) for key, content in data.items()}
    files = {}
    for item in items:
        if item.key not in data:
            if optional:
                continue
            raise VolumeError(f"references non-existent {what} key: {item.key}")
        files[item.path] = Projected(data[item.key], default if item.mode is None else item.mode)
    return files
