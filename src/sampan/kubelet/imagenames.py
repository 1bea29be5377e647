"""Names of images: what is one, which repository it is in, and how often it is pulled when the pod does not say."""

from __future__ import annotations

import re

NAME = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?/|\[[0-9a-fA-F:]+\](?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
"""The reference grammar of the distribution project; a bare image id is accepted by the runtime too."""


def is_name(image: str) -> bool:
    return NAME.fullmatch(image) is not None


def full_name(image: str) -> str:
    """With the registry that a short name means: `nginx` is `docker.io/library/nginx`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def repository(image: str) -> str:
    """The full name without tag and digest."""
    name = full_name(image).partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def tag(image: str) -> str:
    """The tag, `latest` where there is none; "" for a digest."""
    if "@" in image:
        return ""
    return image.rpartition("/")[2].partition(":")[2] or "latest"


def with_tag(image: str) -> str:
    """The full name as runtimes list it, with the tag that is meant where there is none."""
    name = full_name(image)
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def pull_policy(image: str, asked: str | None) -> str:
    """What the pod asks for, or else Always for `latest` and IfNotPresent for the rest (concepts page "Images")."""
    return asked or ("Always" if tag(image) == "latest" else "IfNotPresent")
