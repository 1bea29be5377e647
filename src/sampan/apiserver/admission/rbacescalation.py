"""Nobody grants permissions they do not hold: checked when roles and bindings are written.

Whoever may `escalate` the role, or `bind` it, is not held back.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, ClassVar

import msgspec

from sampan.api import errors
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.authorizer import Attributes, allowed
from sampan.apiserver.auth.rbac import escalation
from sampan.apiserver.auth.rbac.rule import PolicyRule, from_struct
from sampan.apiserver.auth.user import MASTERS_GROUP
from sampan.apiserver.write import Write

GROUP = "rbac.authorization.k8s.io"
ROLES = ("roles", "clusterroles")
COLLECTORS = frozenset({"ownerReferences", "finalizers", "managedFields", "resourceVersion"})


class RbacEscalation(Plugin):
    """Not a plugin of upstream's, where the storage does this; it cannot be disabled."""

    name = "RbacEscalation"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (GROUP, plural) for plural in (*ROLES, "rolebindings", "clusterrolebindings")
    )

    def mutate(self, write: Write) -> Awaitable[None] | None:
        if self.server.rbac is None or MASTERS_GROUP in write.request.user.groups:
            return None
        return self._role(write) if write.kind.plural in ROLES else self._binding(write)

    async def _role(self, write: Write) -> None:
        """Whatever changes: a label may have a role gathered into others."""
        if is_only_collected(write) or await self._may(write, "escalate", write.kind.plural, write.name):
            return
        self._check(write, map(from_struct, write.new.rules or ()))
        aggregates = any(getattr(obj, "aggregationRule", None) is not None for obj in (write.new, write.old))
        if aggregates and self._lacking(write, escalation.EVERYTHING):
            raise forbid(write, "must have cluster-admin privileges to use the aggregationRule")

    async def _binding(self, write: Write) -> None:
        if is_only_collected(write):
            return
        reference = write.new.roleRef
        if reference is None or not reference.name or reference.kind not in ("Role", "ClusterRole"):
            return
        plural = "roles" if reference.kind == "Role" else "clusterroles"
        if await self._may(write, "bind", plural, reference.name):
            return
        rules = self._rbac.role(write.namespace if plural == "roles" else "", reference.name)
        if rules is None:
            raise errors.not_found(GROUP, plural, reference.name)
        self._check(write, (rule.source for rule in rules))

    @property
    def _rbac(self) -> Any:
        return self.server.rbac

    async def _may(self, write: Write, verb: str, plural: str, name: str) -> bool:
        asked = Attributes(verb, GROUP, write.kind.version, plural, "", write.namespace, name)
        return await allowed(self.server.authorizer, write.request.user, asked)

    def _lacking(self, write: Write, wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
        held = (rule.source for rule in self._rbac.rules(write.request.user, write.namespace))
        return escalation.missing(wanted, held)

    def _check(self, write: Write, wanted: Iterable[PolicyRule]) -> None:
        lacking = self._lacking(write, wanted)
        if lacking:
            raise forbid(write, escalation.refusal(write.request.user, lacking))


def is_only_collected(write: Write) -> bool:
    """Whether an update changes nothing but what the garbage collector sees to: owners and finalizers."""
    if write.old is None:
        return False
    new, old = (msgspec.to_builtins(obj) for obj in (write.new, write.old))
    for value in (new, old):
        value["metadata"] = {name: part for name, part in value["metadata"].items() if name not in COLLECTORS}
    return bool(new == old)
