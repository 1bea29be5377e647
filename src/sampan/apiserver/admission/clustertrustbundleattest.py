"""Whoever publishes a signer's trust anchors must be allowed to `attest` for that signer.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#ctb-signer-linked
"""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.certificatesigning import GROUP, may_sign
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write


class ClusterTrustBundleAttest(Plugin):
    """Looks at bundles that name a signer; one that only gains or loses owners and finalizers is let through."""

    name = "ClusterTrustBundleAttest"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({(GROUP, "clustertrustbundles")})

    async def validate(self, write: Write) -> None:
        spec = write.new.spec
        signer = spec.signerName if spec is not None else None
        if not signer or (write.old is not None and _unchanged(write)):
            return
        if not await may_sign(self.server.authorizer, write, "attest", signer):
            raise forbid(write, f'user not permitted to attest for signerName "{signer}"')


def _unchanged(write: Write) -> bool:
    new, old = write.new, write.old
    same = all(getattr(new.metadata, f) == getattr(old.metadata, f) for f in ("labels", "annotations"))
    return same and new.spec == old.spec
