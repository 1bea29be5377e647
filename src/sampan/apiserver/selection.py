"""Label and field selectors of a request as one predicate over cache entries.

Which fields of a kind can be selected by is a table: `metadata.name` and `metadata.namespace` always, the rest as the
API reference and upstream's conversion functions have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sampan.api import selectors
from sampan.api.errors import BadRequest
from sampan.api.registry import Kind
from sampan.apiserver.listoptions import ListOptions
from sampan.store.cache import Entry, Selectable

Predicate = Callable[[Entry], bool]

ALWAYS = ("metadata.name", "metadata.namespace")


def _plain(*paths: str) -> dict[str, Selectable]:
    return {path: Selectable((path,)) for path in paths}


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT = _plain(*(f"involvedObject.{part}" for part in _INVOLVED), "reason", "type") | {
    "reportingComponent": Selectable(("reportingComponent", "source.component")),
    "source": Selectable(("source.component", "reportingComponent")),
}
_EVENT_V1 = {f"regarding.{part}": Selectable((f"involvedObject.{part}",)) for part in _INVOLVED} | {
    "reportingController": _EVENT["reportingComponent"]
}
FIELDS: dict[tuple[str, str], dict[str, Selectable]] = {
    ("", "pods"): _plain(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    )
    | {
        "spec.host": Selectable(("spec.nodeName",)),
        "spec.hostNetwork": Selectable(("spec.hostNetwork",), "false"),
        "status.podIPs": Selectable(("status.podIP",)),
    },
    ("", "nodes"): {"spec.unschedulable": Selectable(("spec.unschedulable",), "false")},
    ("", "events"): _EVENT | _EVENT_V1,
    ("", "namespaces"): _plain("status.phase"),
    ("", "secrets"): _plain("type"),
    ("", "services"): _plain("spec.clusterIP", "spec.type"),
    ("", "replicationcontrollers"): {"status.replicas": Selectable(("status.replicas",), "0")},
    ("apps", "replicasets"): {"status.replicas": Selectable(("status.replicas",), "0")},
    ("batch", "jobs"): {"status.successful": Selectable(("status.succeeded",), "0")},
    ("certificates.k8s.io", "certificatesigningrequests"): _plain("spec.signerName"),
    ("certificates.k8s.io", "clustertrustbundles"): _plain("spec.signerName"),
    ("certificates.k8s.io", "podcertificaterequests"): _plain("spec.signerName", "spec.podName", "spec.nodeName"),
    ("resource.k8s.io", "resourceslices"): _plain("spec.nodeName", "spec.driver"),
}


NAMED_ONLY = frozenset(
    {
        ("", "namespaces"),
        ("", "nodes"),
        ("certificates.k8s.io", "certificatesigningrequests"),
        ("certificates.k8s.io", "clustertrustbundles"),
        ("certificates.k8s.io", "podcertificaterequests"),
        ("resource.k8s.io", "resourceslices"),
    }
)
"""Kinds that cannot be selected by metadata.namespace."""
SHOWN: dict[tuple[str, str], frozenset[str]] = {
    ("", "events"): frozenset(_EVENT),
    ("events.k8s.io", "events"): frozenset((*_EVENT_V1, "reason", "type")),
}
"""Of kinds whose fields have other names in other groups: those that a group knows."""
REFUSALS = {
    "jobs": 'field label "{field}" not supported for batchv1.Job',
    "resourceslices": "field label not supported for {version}, Kind=ResourceSlice: {field}",
}


def selectable(kind: Kind, field: str) -> bool:
    """Whether objects of the kind can be selected by the field."""
    if field in ALWAYS:
        return field == "metadata.name" or kind.stored[:2] not in NAMED_ONLY
    known = FIELDS.get(kind.stored[:2], {})
    return field in known and field in SHOWN.get((kind.group, kind.plural), known)


def check_fields(kind: Kind, fields: selectors.Selector) -> None:
    """Raises BadRequest for a field that objects of the kind cannot be selected by."""
    for requirement in fields.requirements:
        field = requirement.key
        if selectable(kind, field):
            continue
        if kind.stored[:2] not in FIELDS:
            raise BadRequest(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
        text = REFUSALS.get(kind.plural, "field label not supported: {field}")
        raise BadRequest(text.format(field=field, version=kind.api_version))


def predicate(kind: Kind, options: ListOptions) -> Predicate | None:
    """What an entry must satisfy; None when everything does. Raises BadRequest for unknown fields."""
    labels, fields = options.labels, options.fields
    if not fields.everything:
        check_fields(kind, fields)
        if labels.everything:
            return lambda entry: fields_match(fields, entry)
        return lambda entry: fields_match(fields, entry) and labels.matches(entry.labels)
    if labels.everything:
        return None
    return lambda entry: labels.matches(entry.labels)


def fields_match(fields: selectors.Selector, entry: Entry) -> bool:
    """Whether an entry has the fields asked for; field selectors know only equality."""
    return all((entry.field(r.key) in r.values) == (r.operator == "In") for r in fields.requirements)


class FieldPredicate:
    """A field selector as a predicate that equals another of the same text, so that watchers may share a channel of the
    cache.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: selectors.Selector) -> None:
        self.fields = fields

    def __call__(self, entry: Entry) -> bool:
        return fields_match(self.fields, entry)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldPredicate) and other.fields == self.fields

    def __hash__(self) -> int:
        return hash(self.fields)


class LabelPredicate:
    """A label selector likewise."""

    __slots__ = ("labels",)

    def __init__(self, labels: selectors.Selector) -> None:
        self.labels = labels

    def __call__(self, labels: Mapping[str, str]) -> bool:
        return self.labels.matches(labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelPredicate) and other.labels == self.labels

    def __hash__(self) -> int:
        return hash(self.labels)
