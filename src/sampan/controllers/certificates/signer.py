"""The signer: an approved request for one of the four built-in signers gets its certificate, or is told why not."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.kinds import certificates_v1
from sampan.controllers.certificates import request as asked
from sampan.controllers.certificates.request import Unfit
from sampan.controllers.certificates.sign import Signing, certificate, duration
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller


class CertificateSigningController(Controller):
    """The authorities' files are read for each certificate: a new key signs from the moment it is there."""

    name = "certificatesigningrequest-signing"
    component = "certificate-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.informer(certificates_v1.CertificateSigningRequest)
        self.requests.add_handler(self.enqueue_self)

    async def reconcile(self, key: str) -> float | None:
        obj = self.requests.get(key)
        if obj is None or not is_to_be_signed(obj):
            return None
        files = self.config.signing.get(obj.spec.signerName)
        if files is None:
            return None
        try:
            parsed = asked.decoded(obj.spec.request)
            asked.SIGNERS[obj.spec.signerName](parsed, frozenset(obj.spec.usages or ()))
            signed = certificate(
                parsed,
                obj.spec.usages or [],
                by=Signing.load(*files),
                seconds=duration(obj.spec.expirationSeconds, self.config.signing_seconds),
                now=self.clock.now(),
            )
        except Unfit as unfit:
            await self._status(obj, conditions=[*(obj.status.conditions or ()), self._failed(str(unfit))])
        else:
            await self._status(obj, certificate=base64.b64encode(signed).decode())
        return None

    def _failed(self, why: str) -> Any:
        now = timestamp(self.clock.now())
        return certificates_v1.CertificateSigningRequestCondition(
            type="Failed",
            status="True",
            reason="SignerValidationFailure",
            message=why,
            lastUpdateTime=now,
            lastTransitionTime=now,
        )

    async def _status(self, obj: Any, **fields: Any) -> None:
        status = msgspec.structs.replace(obj.status, **fields)
        await self.write.update_status(msgspec.structs.replace(obj, status=status))


def is_to_be_signed(obj: Any) -> bool:
    """Approved, not failed, without a certificate yet, and for one of our signers. Pure."""
    return (
        obj.spec.signerName in asked.SIGNERS
        and obj.status is not None
        and not obj.status.certificate
        and asked.condition(obj, "Approved") is not None
        and asked.condition(obj, "Denied") is None
        and asked.condition(obj, "Failed") is None
    )
