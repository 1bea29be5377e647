"""Nobody grants permissions they do not hold: checked when roles and bindings are written.

Whoever may `escalate` the role, or `bind` it, is not held back.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, ClassVar

from sampan.api import errors
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.authorizer import Attributes, allowed
from sampan.apiserver.auth.rbac import escalation
from sampan.apiserver.auth.rbac.rule import PolicyRule, from_struct
from sampan.apiserver.auth.user import MASTERS_GROUP
from sampan.apiserver.write import CREATE, Write

GROUP = "rbac.authorization.k8s.io"
ROLES = ("roles", "clusterroles")


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
        new, old = write.new, write.old
        aggregates = getattr(new, "aggregationRule", None)
        aggregated = getattr(old, "aggregationRule", None)
        if old is not None and new.rules == old.rules and aggregates == aggregated:
            return
        if await self._may(write, "escalate", write.kind.plural, write.name):
            return
        if old is None or new.rules != old.rules:
            self._check(write, map(from_struct, new.rules or ()))
        if aggregates is not None and aggregates != aggregated and self._lacking(write, escalation.EVERYTHING):
            raise forbid(write, "must have cluster-admin privileges to use the aggregationRule")

    async def _binding(self, write: Write) -> None:
        new, old = write.new, write.old
        if write.operation != CREATE and new.roleRef == old.roleRef and new.subjects == old.subjects:
            return
        reference = new.roleRef
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
