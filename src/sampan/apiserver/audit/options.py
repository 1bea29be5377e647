"""What the audit log is told when a server starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCKING, STRICT, BATCH = "blocking", "blocking-strict", "batch"
MODES = (BATCH, BLOCKING, STRICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How events come to a log or a webhook: each before its request goes on (`blocking`), which fails when they cannot
    (`blocking-strict`), or some time later, several at once (`batch`).

    `most` events, or what has come in `wait_seconds`, are a batch; `buffered` wait at most, more are lost; with
    `throttle` no more than `qps` batches go each second, after `burst` at once. `truncate`: an event of more than
    `event_bytes` loses its objects or is lost, and a batch of more than `batch_bytes` goes in parts.
    """

    mode: str = BLOCKING
    buffered: int = 10_000
    most: int = 1
    wait_seconds: float = 30.0
    throttle: bool = False
    qps: float = 10.0
    burst: int = 15
    truncate: bool = False
    event_bytes: int = 100 * 1024
    batch_bytes: int = 10 * 1024 * 1024


OF_WEBHOOKS = Delivery(mode=BATCH, most=400, throttle=True)
FLAGS = {
    "mode": "mode",
    "buffered": "batch_buffer_size",
    "most": "batch_max_size",
    "wait_seconds": "batch_max_wait",
    "throttle": "batch_throttle_enable",
    "qps": "batch_throttle_qps",
    "burst": "batch_throttle_burst",
    "truncate": "truncate_enabled",
    "event_bytes": "truncate_max_event_size",
    "batch_bytes": "truncate_max_batch_size",
}
"""Fields of `Delivery` to the ends of upstream's flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """`policy` None, or neither `path` nor `webhook`: nothing is written. `path` `-` is standard output.

    A file of `max_megabytes` is put aside (0: of a hundred); of those put aside `max_backups` stay, and none is older
    than `max_days` (0: all stay). `compress`: they are gzipped. `webhook`: a kubeconfig of the server that events are
    posted to; `initial_backoff_seconds` are waited before a second try.
    """

    policy: Path | None = None
    path: Path | None = None
    max_days: int = 0
    max_backups: int = 0
    max_megabytes: int = 0
    compress: bool = False
    log: Delivery = field(default_factory=Delivery)
    webhook: Path | None = None
    webhook_delivery: Delivery = OF_WEBHOOKS
    initial_backoff_seconds: float = 10.0


def named(flags: Mapping[str, Any]) -> AuditOptions:
    """From upstream's flags by their names (`audit_log_path`); what is not there is upstream's default."""
    given = {name.removeprefix("audit_"): value for name, value in flags.items()}
    return AuditOptions(
        policy=_path(given, "policy_file"),
        path=_path(given, "log_path"),
        max_days=given.get("log_maxage", 0),
        max_backups=given.get("log_maxbackup", 0),
        max_megabytes=given.get("log_maxsize", 0),
        compress=given.get("log_compress", False),
        log=_delivery(given, "log", Delivery()),
        webhook=_path(given, "webhook_config_file"),
        webhook_delivery=_delivery(given, "webhook", OF_WEBHOOKS),
        initial_backoff_seconds=given.get("webhook_initial_backoff", 10.0),
    )


def _path(given: Mapping[str, Any], name: str) -> Path | None:
    return Path(given[name]) if given.get(name) else None


def _delivery(given: Mapping[str, Any], where: str, otherwise: Delivery) -> Delivery:
    return Delivery(**{name: given.get(f"{where}_{flag}", getattr(otherwise, name)) for name, flag in FLAGS.items()})
