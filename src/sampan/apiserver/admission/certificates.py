"""Who asks for a certificate is written into the request by the server, never by the client."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write


class CertificateRequester(Plugin):
    """Fills in username, uid, groups and extra of a new CertificateSigningRequest. Not a plugin of upstream's, where
    its strategy does this; it cannot be disabled.
    """

    name = "CertificateRequester"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("certificates.k8s.io", "certificatesigningrequests")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        spec, user = write.new.spec, write.request.user
        if spec is None:
            return
        spec.username, spec.uid, spec.groups = user.name, user.uid or None, list(user.groups)
        spec.extra = {name: list(values) for name, values in user.extra.items()} or None
