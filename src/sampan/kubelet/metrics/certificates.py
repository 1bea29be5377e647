"""How long the node's certificates are good for yet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cryptography import x509

from sampan.client.errors import BadConfig
from sampan.kubelet.surroundings import Surroundings

NAME = "kubelet_certificate_manager_{}_ttl_seconds"
ABOUT = "Seconds until the kubelet's {} certificate ends, negative once it has; infinite while there is none."


def left(pem: bytes | None, now: float) -> float:
    """Seconds until a certificate ends, less than 0 after it; infinite where there is none (as upstream)."""
    if not pem:
        return math.inf
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp() - now
    except ValueError:
        return math.inf


def tell(given: Surroundings) -> None:
    """Makes the gauges of both, which read what is there at each scrape."""
    now, gauge = given.clock.now, given.instruments.gauge
    gauge(NAME.format("server"), ABOUT.format("serving"), "", {"": lambda: left(read(given.config.server_cert), now())})
    gauge(NAME.format("client"), ABOUT.format("client"), "", {"": lambda: left(own(given.client), now())})


def own(client: Any) -> bytes | None:
    """The certificate a client shows now: its files may have changed since it was made."""
    config = getattr(client, "config", None)
    if config is None:
        return None
    try:
        return (config.again() if config.again is not None else config).cert
    except BadConfig:
        return config.cert


def read(path: Path | None) -> bytes | None:
    """None for a file that is not there (yet)."""
    try:
        return path.read_bytes() if path is not None else None
    except OSError:
        return None
