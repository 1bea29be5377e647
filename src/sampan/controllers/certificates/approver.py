"""The approver: a kubelet's requests are approved without a person where the API server's rules say so.

A client certificate is approved when its requester may `create` the subresource `nodeclient` (any node's) or
`selfnodeclient` (a node that renews its own) of certificatesigningrequests, which a SubjectAccessReview tells.

Serving certificates upstream leaves to people, since a signer cannot know a node's addresses. Here they are approved
when the requester is that very node, may create `selfnodeserver`, and every name asked for is one that its Node object
has told and that no other node tells. That trusts a node for its own addresses, as the API server does when it connects
there, and the authority that signs these is trusted for nothing else (docs/certificates.md). Whoever wants to approve
by hand deletes the binding `sampan:selfnodeserver`; "what is not approved here is left for others" holds for all.

The network parts of a machine are another than its kubelet: `system:kube-proxy`, with a certificate that nodes may ask
for who may create `nodeproxy`, and that is for nobody else: that name alone, no group, no other name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import authorization_v1, certificates_v1, core_v1
from sampan.controllers.certificates import request as asked
from sampan.controllers.certificates.request import Unfit, alternative_names, common_name
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller

GROUP = "certificates.k8s.io"
NETWORK_USER = "system:kube-proxy"
REFUSED_AGAIN_SECONDS = (30.0, 300.0)
"""When to ask again for one who may not (yet): after as long as the request has waited, within these."""


class Recognizer(msgspec.Struct, frozen=True):
    """One kind of request that may be approved: who it must come from, and the permission that is asked for.

    `user` is whose certificate it must be; "" where the signer says so.
    """

    signer: str
    own: bool
    subresource: str
    message: str
    user: str = ""


RECOGNIZERS = (
    Recognizer(
        asked.KUBELET_CLIENT,
        True,
        "selfnodeclient",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ),
    Recognizer(
        asked.KUBELET_CLIENT,
        False,
        "nodeclient",
        "Auto approving kubelet client certificate after SubjectAccessReview.",
    ),
    Recognizer(
        asked.KUBELET_SERVING,
        True,
        "selfnodeserver",
        "Auto approving kubelet serving certificate for the node's own addresses after SubjectAccessReview.",
    ),
    Recognizer(
        asked.CLIENT,
        False,
        "nodeproxy",
        "Auto approving the client certificate of a node's network parts after SubjectAccessReview.",
        user=NETWORK_USER,
    ),
)


def recognized(obj: Any) -> list[Recognizer]:
    """The kinds a request is of: none for another signer's, or for one that its signer would not sign. Pure."""
    candidates = [r for r in RECOGNIZERS if r.signer == obj.spec.signerName]
    if not candidates:
        return []
    try:
        parsed = asked.decoded(obj.spec.request)
        asked.SIGNERS[obj.spec.signerName](parsed, frozenset(obj.spec.usages or ()))
    except Unfit:
        return []
    own = obj.spec.username == common_name(parsed)
    return [r for r in candidates if (own or not r.own) and (not r.user or _is_plainly(parsed, r.user))]


def _is_plainly(parsed: x509.CertificateSigningRequest, user: str) -> bool:
    """Whether a certificate is for that user, and says nothing else. Raises Unfit."""
    subject = [(attribute.oid, attribute.value) for attribute in parsed.subject]
    return subject == [(NameOID.COMMON_NAME, user)] and not alternative_names(parsed)


def is_its_own(names: Iterable[x509.GeneralName], node: str, nodes: Iterable[Any]) -> bool:
    """Whether every name is an address that this node tells and no other does. Pure."""
    told: dict[str, set[str]] = {}
    for each in nodes:
        for address in addresses(each):
            told.setdefault(address, set()).add(each.metadata.name)
    return all(told.get(str(name.value)) == {node} for name in names)


def addresses(node: Any) -> set[str]:
    """What a node tells of where it is."""
    status = node.status if node is not None else None
    return {address.address for address in (status.addresses if status is not None else None) or ()}


def _requester(obj: Any) -> list[str]:
    return [obj.spec.username or ""]


class CertificateApprovingController(Controller):
    name = "certificatesigningrequest-approving"
    component = "certificate-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.informer(certificates_v1.CertificateSigningRequest, requester=_requester)
        self.nodes = self.informer(core_v1.Node)
        self.requests.add_handler(self.enqueue_self)
        self.nodes.add_handler(self._node_changed)

    def _node_changed(self, old: Any, new: Any) -> None:
        """A node that tells other addresses may ask for other names."""
        if new is None or addresses(new) == addresses(old):
            return
        for obj in self.requests.index("requester", asked.NODE_PREFIX + new.metadata.name):
            if obj.spec.signerName == asked.KUBELET_SERVING:
                self.enqueue(obj.metadata.name)

    async def reconcile(self, key: str) -> float | None:
        obj = self.requests.get(key)
        if obj is None or asked.decided(obj) or (obj.status is not None and obj.status.certificate):
            return None
        kinds = recognized(obj)
        for kind in kinds:
            if await self._may(obj, kind) and ALSO.get(kind.signer, _always)(self, obj):
                await self._approve(obj, kind)
                return None
        if not kinds:
            return None
        least, most = REFUSED_AGAIN_SECONDS
        return min(max(least, self.clock.now() - parse_timestamp(obj.metadata.creationTimestamp)), most)

    def its_own(self, obj: Any) -> bool:
        parsed = asked.decoded(obj.spec.request)
        node = common_name(parsed).removeprefix(asked.NODE_PREFIX)
        return is_its_own(alternative_names(parsed), node, self.nodes.list())

    async def _may(self, obj: Any, kind: Recognizer) -> bool:
        spec = obj.spec
        review = authorization_v1.SubjectAccessReview(
            spec=authorization_v1.SubjectAccessReviewSpec(
                user=spec.username,
                uid=spec.uid,
                groups=spec.groups,
                extra=spec.extra,
                resourceAttributes=authorization_v1.ResourceAttributes(
                    group=GROUP,
                    resource="certificatesigningrequests",
                    verb="create",
                    subresource=kind.subresource,
                    version="*",
                ),
            )
        )
        answer = await self.client.create(review)
        return bool(answer.status and answer.status.allowed)

    async def _approve(self, obj: Any, kind: Recognizer) -> None:
        now = timestamp(self.clock.now())
        approved = certificates_v1.CertificateSigningRequestCondition(
            type="Approved",
            status="True",
            reason="AutoApproved",
            message=kind.message,
            lastUpdateTime=now,
            lastTransitionTime=now,
        )
        status = obj.status or certificates_v1.CertificateSigningRequestStatus()
        status = msgspec.structs.replace(status, conditions=[*(status.conditions or ()), approved])
        changed = await self.client.update(msgspec.structs.replace(obj, status=status), subresource="approval")
        self.requests.observe(changed)


def _always(controller: CertificateApprovingController, obj: Any) -> bool:
    return True


ALSO: dict[str, Callable[[CertificateApprovingController, Any], bool]] = {
    asked.KUBELET_SERVING: CertificateApprovingController.its_own
}
"""What is demanded besides the permission."""
