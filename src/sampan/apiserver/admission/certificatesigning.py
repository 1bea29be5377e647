"""Who may approve and sign certificates: whoever may `approve` or `sign` for the signer the request names.

Besides, nobody gets a client certificate of the cluster's own kind for the administrators' group by asking.
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
"""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.authorizer import Attributes, Authorizer, allowed
from sampan.apiserver.auth.user import MASTERS_GROUP
from sampan.apiserver.write import Write

GROUP = "certificates.k8s.io"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class _Signer(Plugin):
    """A plugin that asks for one verb on the signer."""

    verb: ClassVar[str]
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({(GROUP, "certificatesigningrequests")})
    operations: ClassVar[frozenset[str]] = frozenset({"UPDATE"})

    async def check(self, write: Write) -> None:
        """Raises Forbidden unless the user may use the verb on the signer, or on all of its domain."""
        signer = write.old.spec.signerName or ""
        if not await may_sign(self.server.authorizer, write, self.verb, signer):
            raise forbid(write, f'user not permitted to {self.verb} requests with signerName "{signer}"')


class CertificateApproval(_Signer):
    name = "CertificateApproval"
    verb = "approve"
    subresources: ClassVar[frozenset[str]] = frozenset({"approval"})

    async def validate(self, write: Write) -> None:
        await self.check(write)


class CertificateSigning(_Signer):
    """Also for conditions of the kind Failed, which a signer sets."""

    name = "CertificateSigning"
    verb = "sign"
    subresources: ClassVar[frozenset[str]] = frozenset({"status"})

    async def validate(self, write: Write) -> None:
        new, old = write.new.status, write.old.status
        before = (old.certificate, old.conditions) if old is not None else (None, None)
        if new is not None and (new.certificate or None, new.conditions or None) != (
            before[0] or None,
            before[1] or None,
        ):
            await self.check(write)


class CertificateSubjectRestriction(Plugin):
    name = "CertificateSubjectRestriction"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({(GROUP, "certificatesigningrequests")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def validate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None or spec.signerName != CLIENT_SIGNER:
            return
        if MASTERS_GROUP in organizations(spec.request or ""):
            why = f"use of {CLIENT_SIGNER} signer with {MASTERS_GROUP} group is not allowed"
            raise forbid(write, why)


async def may_sign(authorizer: Authorizer, write: Write, verb: str, signer: str) -> bool:
    """Whether the user may use the verb on the signer (`example.com/name`), or on all of its domain."""
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        asked = Attributes(verb, GROUP, write.kind.version, "signers", name=name)
        if await allowed(authorizer, write.request.user, asked):
            return True
    return False


def organizations(request: str) -> list[str]:
    """The organizations a certificate request (base64 of PEM) names; none when it cannot be read."""
    try:
        return _named(request, "2.5.4.10")
    except ValueError:
        return []


def common_names(request: str) -> list[str]:
    """The common names a certificate request (base64 of PEM) names, of which there should be one. Raises ValueError."""
    return _named(request, "2.5.4.3")


def _named(request: str, attribute: str) -> list[str]:
    """The values of one attribute (an object identifier) of the subject."""
    import base64

    from cryptography import x509

    subject = x509.load_pem_x509_csr(base64.b64decode(request)).subject
    return [str(one.value) for one in subject.get_attributes_for_oid(x509.ObjectIdentifier(attribute))]
