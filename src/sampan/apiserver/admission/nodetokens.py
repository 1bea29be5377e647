"""Which tokens a kubelet may ask for: those of its own pods' accounts, bound to the pod, for audiences the pod names.

A part of NodeRestriction, for the TokenRequest subresource.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction (KEP-4412)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sampan.api import errors
from sampan.api.errors import Forbidden
from sampan.apiserver.admission.plugin import forbid
from sampan.apiserver.auth.authorizer import Attributes, allowed
from sampan.apiserver.write import Write

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

AUDIENCE_VERB = "request-serviceaccounts-token-audience"


async def check_token(write: Write, node: str) -> None:
    """A kubelet asks for tokens for its own pods, each bound to its pod, and for nothing else. Raises Forbidden."""
    request, spec = write.request, write.new.spec
    bound = spec.boundObjectRef if spec is not None else None

    def no(why: str) -> Forbidden:
        return forbid(write, why)

    if bound is None or (bound.kind, bound.apiVersion) != ("Pod", "v1") or not bound.name:
        raise no("node requested token not bound to a pod")
    if not bound.uid:
        raise no("node requested token with a pod binding without a uid")
    entry = request.server.cache.resource("", "pods").get(request.target.namespace, bound.name)
    if entry is None:
        raise errors.not_found("", "pods", bound.name)
    pod = request.server.decoded(entry)
    if pod.metadata.uid != bound.uid:
        why = f"the UID in the bound object reference ({bound.uid}) does not match the UID in record. "
        raise no(why + "The object might have been deleted and then recreated")
    if pod.spec.nodeName != node:
        raise no("node requested token bound to a pod scheduled on a different node")
    audiences = spec.audiences or ()
    if len(audiences) > 1:
        raise no("node may only request 0 or 1 audiences")
    audience = audiences[0] if audiences else ""
    if audience not in audiences_of(request.server, pod):
        asked = Attributes(AUDIENCE_VERB, "", "", audience, "", request.target.namespace, request.target.name)
        if not await allowed(request.server.authorizer, request.user, asked):
            why = f"{request.user.name} is not authorized to request tokens for this audience"
            raise no(f'audience "{audience}" not found in pod spec volume, {why}')


def audiences_of(server: ApiServer, pod: Any) -> set[str]:
    """Whom a pod's tokens are for: what its projected volumes name, and what its CSI drivers ask for (KEP-4412)."""
    found: set[str] = set()
    for one in pod.spec.volumes or ():
        sources = (one.projected.sources if one.projected is not None else None) or ()
        found |= {s.serviceAccountToken.audience or "" for s in sources if s.serviceAccountToken is not None}
        for driver in _drivers(server, pod, one):
            entry = server.cache.resource("storage.k8s.io", "csidrivers").get(None, driver)
            spec = server.decoded(entry).spec if entry is not None else None
            found |= {wanted.audience or "" for wanted in (spec.tokenRequests if spec is not None else None) or ()}
    return found


def _drivers(server: ApiServer, pod: Any, volume: Any) -> Iterator[str]:
    """The CSI driver behind a volume: its own, or that of the persistent volume its claim is bound to."""
    if volume.csi is not None:
        yield volume.csi.driver or ""
    claimed = volume.persistentVolumeClaim.claimName if volume.persistentVolumeClaim is not None else None
    if volume.ephemeral is not None:
        claimed = f"{pod.metadata.name}-{volume.name}"
    claim = server.cache.resource("", "persistentvolumeclaims").get(pod.metadata.namespace, claimed or "")
    name = server.decoded(claim).spec.volumeName if claim is not None else None
    entry = server.cache.resource("", "persistentvolumes").get(None, name or "")
    source = server.decoded(entry).spec.csi if entry is not None else None
    if source is not None:
        yield source.driver or ""
