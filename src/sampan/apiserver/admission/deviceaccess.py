"""Who may have devices as an administrator, allocate devices, and tell of them (KEP-5018, KEP-4817).

Administrators' access needs a label on the namespace. What a claim's status says is of two parts that need a permission
each, beside the one to write the status: `resourceclaims/binding` for what is allocated and reserved, and
`resourceclaims/driver`, by the name of a driver, for what that driver tells of its devices. A driver that runs on the
node of the allocation needs its verb with `associated-node:` before it, any other with `arbitrary-node:`.
https://kubernetes.io/docs/concepts/security/hardening-guide/dynamic-resource-allocation/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.api.validation.problems import forbidden
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.auth.authorizer import Attributes, Decision, refusal
from sampan.apiserver.auth.claims import NODE_NAME, PREFIX
from sampan.apiserver.auth.user import User
from sampan.apiserver.write import CREATE, Write

GROUP, CLAIMS, TEMPLATES = "resource.k8s.io", "resourceclaims", "resourceclaimtemplates"
LABEL = "resource.kubernetes.io/admin-access"
UNLABELLED = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"
ASSOCIATED, ARBITRARY = "associated-node:", "arbitrary-node:"


class DeviceAccess(Plugin):
    """Not a plugin of upstream's, where the strategies of claims do this; it cannot be disabled."""

    name = "DeviceAccess"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({(GROUP, CLAIMS), (GROUP, TEMPLATES)})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "status"})

    async def validate(self, write: Write) -> None:
        if write.operation == CREATE:
            wrong = self._labelled(write, _wanted(write.new.spec), "spec.devices.requests")
        elif write.subresource == "status":
            wrong = await self._status(write)
        else:
            wrong = []
        if wrong:
            raise errors.invalid(GROUP, write.kind.kind, write.name, wrong)

    async def _status(self, write: Write) -> list[FieldError]:
        wrong = []
        if not any(_granted(write.old)):
            wrong = self._labelled(write, _granted(write.new), "status.allocation.devices.results")
        return wrong + await self._binding(write) + await self._drivers(write)

    def _labelled(self, write: Write, asked: Iterable[bool | None], path: str) -> list[FieldError]:
        """`asked`: of each request or result, whether it is for an administrator."""
        first = next((index for index, admin in enumerate(asked) if admin), None)
        if first is None:
            return []
        entry = self.server.cache.resource("", "namespaces").get(None, write.namespace)
        if entry is not None and (entry.labels or {}).get(LABEL) == "true":
            return []
        return [forbidden(f"{path}[{first}].adminAccess", UNLABELLED)]

    async def _binding(self, write: Write) -> list[FieldError]:
        before, after = (_bound(claim) for claim in (write.old, write.new))
        if before == after:
            return []
        verb = write.request.target.verb
        why = await self._refused(write, Attributes(verb, GROUP, write.kind.version, CLAIMS, "binding"))
        what = "changing status.allocation or status.reservedFor requires"
        needed = f'resource="resourceclaims/binding", verb="{verb}" permission'
        return [forbidden("status", f"{what} {needed}: {why}")] if why else []

    async def _drivers(self, write: Write) -> list[FieldError]:
        wrong = []
        verbs = self._verbs(write)
        for driver in sorted(changed_drivers(write.new, write.old)):
            if why := await self._refused_all(write, verbs, driver):
                needed = f'resource="resourceclaims/driver", verb="[{" ".join(verbs)}]" permission'
                wrong.append(forbidden("status.devices", f"changing status.devices requires {needed}: {why}"))
        return wrong

    async def _refused_all(self, write: Write, verbs: list[str], driver: str) -> str:
        """Why the first verb is not allowed, "" when one of them is; what comes after that one is not asked."""
        first = ""
        for verb in verbs:
            why = await self._refused(write, self._driver(write, verb, driver))
            if not why:
                return ""
            first = first or why
        return first

    def _driver(self, write: Write, verb: str, driver: str) -> Attributes:
        return Attributes(verb, GROUP, write.kind.version, CLAIMS, "driver", write.namespace, driver)

    def _verbs(self, write: Write) -> list[str]:
        verb = write.request.target.verb
        prefixes = [ARBITRARY]
        if runs_on(write.request.user, allocated_node(write.new)):
            prefixes.insert(0, ASSOCIATED)
        return [prefix + verb for prefix in prefixes]

    async def _refused(self, write: Write, asked: Attributes) -> str:
        """Why the user may not, "" when they may."""
        user = write.request.user
        decision, reason = await settled(self.server.authorizer.decide(user, asked))
        if decision is Decision.ALLOW:
            return ""
        return errors.forbidden(asked.group, asked.resource, asked.name, refusal(user, asked, reason)).message


def _wanted(spec: Any) -> list[bool | None]:
    devices = spec.devices if hasattr(spec, "devices") else spec.spec.devices
    requests = (devices.requests if devices is not None else None) or ()
    return [each.exactly.adminAccess if each.exactly is not None else None for each in requests]


def _results(claim: Any) -> Any:
    allocation = claim.status.allocation if claim.status is not None else None
    return (allocation.devices.results if allocation is not None and allocation.devices is not None else None) or ()


def _granted(claim: Any) -> list[bool | None]:
    return [each.adminAccess for each in _results(claim)]


def _bound(claim: Any) -> tuple[Any, Any]:
    status = claim.status
    return (status.allocation, status.reservedFor or None) if status is not None else (None, None)


def changed_drivers(new: Any, old: Any) -> set[str]:
    """Of which an entry came, went, or became another."""
    after, before = (_reported(claim) for claim in (new, old))
    keys = {key for key in after.keys() | before.keys() if after.get(key) != before.get(key)}
    return {key[0] for key in keys}


def _reported(claim: Any) -> dict[tuple[str, str, str, str], Any]:
    devices = (claim.status.devices if claim.status is not None else None) or ()
    return {(d.driver or "", d.pool or "", d.device or "", d.shareID or ""): d for d in devices}


def allocated_node(claim: Any) -> str:
    """The one node that an allocation can be used on, "" when it is not bound to one."""
    allocation = claim.status.allocation if claim.status is not None else None
    selector = allocation.nodeSelector if allocation is not None else None
    terms: Any = (selector.nodeSelectorTerms if selector is not None else None) or ()
    fields: Any = terms[0].matchFields if len(terms) == 1 and not terms[0].matchExpressions else None
    if len(fields or ()) != 1:
        return ""
    (field,) = fields
    alone = field.key == "metadata.name" and field.operator == "In" and len(field.values or ()) == 1
    return str(field.values[0]) if alone else ""


def runs_on(user: User, node: str) -> bool:
    """Whether the user is a service account whose token says that its pod is on that node."""
    return bool(node) and user.name.startswith(PREFIX) and tuple(user.extra.get(NODE_NAME, ())) == (node,)
