"""The cleaner: requests that nobody has use for any more go, an hour after their end or a day without a decision."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from cryptography import x509

from sampan.aio.clock import parse_timestamp
from sampan.api.kinds import certificates_v1
from sampan.controllers.certificates import request as asked
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller

ENDED_SECONDS = 3600.0
UNDECIDED_SECONDS = 24 * 3600.0


def clearance(obj: Any) -> float | None:
    """When a request is to go, in seconds since the epoch. Pure.

    Issued, denied or failed: an hour later; approved but never signed, or never decided: a day; and at any rate when
    the certificate in it has ended.
    """
    return min(_ends(obj), default=None)


def _ends(obj: Any) -> Iterator[float]:
    issued = obj.status.certificate if obj.status is not None else None
    if not asked.decided(obj) and asked.condition(obj, "Failed") is None:
        yield parse_timestamp(obj.metadata.creationTimestamp) + UNDECIDED_SECONDS
    for kind, wait in (
        ("Approved", ENDED_SECONDS if issued else UNDECIDED_SECONDS),
        ("Denied", ENDED_SECONDS),
        ("Failed", ENDED_SECONDS),
    ):
        condition = asked.condition(obj, kind)
        if condition is not None:
            since = condition.lastUpdateTime or condition.lastTransitionTime or obj.metadata.creationTimestamp
            yield parse_timestamp(since) + wait
    if issued:
        end = _end_of(issued)
        if end is not None:
            yield end


def _end_of(certificate: str) -> float | None:
    try:
        return x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc.timestamp()
    except (ValueError, binascii.Error):
        return None


class CertificateCleaningController(Controller):
    name = "certificatesigningrequest-cleaner"
    component = "certificate-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.informer(certificates_v1.CertificateSigningRequest)
        self.requests.add_handler(self._changed)

    def _changed(self, old: Any, new: Any) -> None:
        if new is not None:
            self.enqueue_self(old, new)

    async def reconcile(self, key: str) -> float | None:
        obj = self.requests.get(key)
        if obj is None:
            return None
        due = clearance(obj)
        if due is None:
            return None
        left = due - self.clock.now()
        if left > 0:
            return left
        await self.write.delete(obj, resource_version=obj.metadata.resourceVersion)
        return None
