"""A pod's priority class becomes its priority (an integer) and preemption policy.

https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write
from sampan.store.cache.resource import ResourceCache

GROUP = "scheduling.k8s.io"
PREEMPT = "PreemptLowerPriority"


class Priority(Plugin):
    """Resolves class names from the watch cache. There may be one global default class only."""

    name = "Priority"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods"), (GROUP, "priorityclasses")})

    _known: tuple[ResourceCache, int] | None = None
    _found: Any = None

    def mutate(self, write: Write) -> None:
        if write.kind.plural != "pods" or write.operation != "CREATE" or write.new.spec is None:
            return
        spec = write.new.spec
        class_ = self._class(write, spec.priorityClassName) if spec.priorityClassName else self._default()
        value, policy = 0, None
        if class_ is not None:
            value, policy = class_.value or 0, class_.preemptionPolicy
            spec.priorityClassName = class_.metadata.name
        if spec.priority is not None and spec.priority != value:
            raise forbid(
                write,
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; priority admission "
                f"controller computed {value} from the given PriorityClass name",
            )
        spec.priority = value
        policy = policy or PREEMPT
        if spec.preemptionPolicy is not None and spec.preemptionPolicy != policy:
            raise forbid(
                write,
                f"the string value of PreemptionPolicy ({spec.preemptionPolicy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec.preemptionPolicy = policy

    def validate(self, write: Write) -> None:
        if write.kind.plural != "priorityclasses" or not write.new.globalDefault:
            return
        current = self._default()
        if current is not None and (write.operation == "CREATE" or current.metadata.name != write.name):
            raise forbid(
                write,
                f"PriorityClass {current.metadata.name} is already marked as default. Only one default can exist",
            )

    def _class(self, write: Write, name: str) -> Any:
        entry = self.server.cache.resource(GROUP, "priorityclasses").get(None, name)
        if entry is None:
            raise forbid(write, f"no PriorityClass with name {name} was found")
        return self.server.decoded(entry)

    def _default(self) -> Any:
        """The global default class; of several (a race once let in) the one of lowest value counts."""
        classes = self.server.cache.resource(GROUP, "priorityclasses")
        if self._known != (classes, classes.changes):
            defaults = [c for c in map(self.server.decoded, classes.list()) if c.globalDefault]
            self._found = min(defaults, key=lambda c: c.value or 0, default=None)
            self._known = (classes, classes.changes)
        return self._found
