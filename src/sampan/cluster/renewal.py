"""Renewing the certificates of this machine while everything runs.

Looks at each certificate when the first of them is due, and at least hourly; what is due is made anew. Nobody is told:
servers take up changed files with the next connection (`aio.tls`), clients with the next request (`client.transport`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from sampan.aio.clock import Clock
from sampan.client.renewal import RENEW_AT, Life, next_look
from sampan.cluster import identities
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options

log = logging.getLogger(__name__)
AGAIN_SECONDS = 60.0


def renew(options: Options, clock: Clock) -> float:
    """Renews what is due; gives the seconds until the next look. Raises ClusterError and OSError."""
    identities.ensure(options, clock)
    return wait(options.layout.pki, clock)


def wait(pki: Path, clock: Clock) -> float:
    """Seconds until the next look at the certificates of a folder."""
    due = [life.moment(RENEW_AT) for life in map(life_of, own(pki)) if life is not None]
    return next_look(min(due, default=clock.now()), clock.now())


async def keep(ensure: Callable[[], object], pki: Path, clock: Clock) -> None:
    """For a process that looks after its own certificates: calls `ensure` when one is due, until cancelled."""
    while True:
        await clock.sleep(wait(pki, clock))
        try:
            ensure()
        except (ClusterError, OSError) as error:
            log.error("certificates could not be renewed, tried again in %.0f s error=%s", AGAIN_SECONDS, error)
            await clock.sleep(AGAIN_SECONDS)


def own(pki: Path) -> list[Path]:
    """The certificates in a folder that are renewed: those that have a key and are no authority's."""
    found = sorted(pki.glob("*.crt"))
    return [path for path in found if path.with_suffix(".key").exists() and not path.stem.endswith("ca")]


def life_of(path: Path) -> Life | None:
    """None for a file that is no certificate (any more)."""
    try:
        return Life.of(x509.load_pem_x509_certificate(path.read_bytes()))
    except (OSError, ValueError):
        return None
