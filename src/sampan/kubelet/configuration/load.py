"""From a KubeletConfiguration file to the kubelet's settings, every mistake told at once; and back, for /configz."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.configuration.table import FIXED, HONOURED, WITHOUT_EFFECT
from sampan.kubelet.eviction.thresholds import BadThreshold, thresholds
from sampan.kubelet.nodefiles import read_text

MOST_BYTES = 1 << 20
SWAPS = Path("/proc/swaps")
SWAP_IS_ON = "running with swap on is not supported: disable swap, or set failSwapOn to false"
ENFORCED = (
    "none",
    "pods",
    "system-reserved",
    "kube-reserved",
    "system-reserved-compressible",
    "kube-reserved-compressible",
)


class BadConfiguration(ValueError):
    """The file will not do; the message names it, and each field with what is wrong."""


def load(path: Path, defaults: KubeletConfig, *, swaps: Path = SWAPS) -> tuple[KubeletConfig, list[str]]:
    """The settings with the file's in place of `defaults`, and warnings. Raises BadConfiguration.

    `swaps` lists what this machine swaps to.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise BadConfiguration(f"{path} is larger than a configuration can be ({MOST_BYTES} bytes)")
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadConfiguration(f"{path} is no YAML: {error}") from None
    try:
        config, warnings = applied(document, defaults)
    except BadConfiguration as error:
        raise BadConfiguration(f"{path}: {error}") from None
    if config.fail_swap_on and len(read_text(swaps).splitlines()) > 1:
        raise BadConfiguration(f"{path}: {SWAP_IS_ON}")
    return config, warnings


def applied(document: Any, defaults: KubeletConfig) -> tuple[KubeletConfig, list[str]]:
    """`load`, from the document itself: pure."""
    if not isinstance(document, dict) or document.get("kind") != "KubeletConfiguration":
        raise BadConfiguration("this is no KubeletConfiguration: it needs that kind, and its apiVersion")
    changes: dict[str, Any] = {}
    problems, warnings = [], []
    for name, value in leaves(document):
        if name in HONOURED:
            try:
                changes[HONOURED[name].attribute] = HONOURED[name].form.read(value)
            except ValueError as error:
                problems.append(f"{name} {error}")
        elif name in FIXED:
            if value != FIXED[name].value:
                problems.append(f"{name} can only be {FIXED[name].value!r}: {FIXED[name].why}")
        elif name.partition(".")[0] in WITHOUT_EFFECT or name in WITHOUT_EFFECT:
            warnings.append(f"{name} has no effect here")
        else:
            problems.append(f"{name} is unknown")
    if problems:
        raise BadConfiguration("; ".join(problems))
    config = dataclasses.replace(defaults, **changes)
    check(config)
    return config, warnings


def leaves(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields by their path; a map that is a field's own value is not looked into."""
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in HONOURED and any(known.startswith(f"{name}.") for known in KNOWN):
            yield from leaves(value, f"{name}.")
        elif value is not None:
            yield name, value


KNOWN = frozenset({*HONOURED, *FIXED, *WITHOUT_EFFECT})


def check(config: KubeletConfig) -> None:
    """What several fields must agree on. Raises BadConfiguration."""
    try:
        thresholds(
            config.eviction_hard, config.eviction_soft, config.eviction_soft_grace, config.eviction_minimum_reclaim
        )
    except BadThreshold as error:
        raise BadConfiguration(str(error)) from None
    if config.image_gc_low_percent >= config.image_gc_high_percent:
        raise BadConfiguration("imageGCLowThresholdPercent must be below imageGCHighThresholdPercent")
    if config.shutdown_grace_critical > config.shutdown_grace:
        raise BadConfiguration("shutdownGracePeriodCriticalPods is part of shutdownGracePeriod, and is longer than it")
    if config.shutdown_grace_by_priority and config.shutdown_grace:
        raise BadConfiguration("shutdownGracePeriod and shutdownGracePeriodByPodPriority exclude each other")
    unknown = sorted(set(config.enforce_node_allocatable) - set(ENFORCED))
    if unknown:
        raise BadConfiguration(f"enforceNodeAllocatable knows no {', '.join(unknown)}: there are {', '.join(ENFORCED)}")
    for what, cgroup in (("system", config.system_reserved_cgroup), ("kube", config.kube_reserved_cgroup)):
        if any(word.startswith(f"{what}-reserved") for word in config.enforce_node_allocatable) and not cgroup:
            raise BadConfiguration(f"{what}ReservedCgroup must name the cgroup that {what}-reserved is enforced on")


def shown(config: KubeletConfig) -> dict[str, Any]:
    """The settings in force, as a KubeletConfiguration."""
    document: dict[str, Any] = {}
    rows = [(name, field.form.show(getattr(config, field.attribute))) for name, field in HONOURED.items()]
    for name, value in [*((name, fixed.value) for name, fixed in FIXED.items()), *rows]:
        *above, last = name.split(".")
        place = document
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return document
