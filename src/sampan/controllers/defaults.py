"""What every namespace has from its beginning: the service account `default` and the cluster's root certificate."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import msgspec

from sampan.api.errors import AlreadyExists
from sampan.api.kinds import core_v1, meta_v1
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import namespace_ends

ROOT_CA = "kube-root-ca.crt"
THE_FILE = ""
LOOK_SECONDS = 10.0
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the"
    " internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes"
    " clusters."
)


class NamespaceDefault(Controller):
    """One object of a fixed name in every active namespace; a subclass says which and what."""

    workers = 2
    kind: ClassVar[Any]
    object_name: ClassVar[str]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = self.informer(core_v1.Namespace)
        self.objects = context.informers.of(self.kind, fields=f"metadata.name={self.object_name}")
        self.namespaces.add_handler(self.enqueue_self)
        self.objects.add_handler(self._object_changed)

    def _object_changed(self, old: Any, new: Any) -> None:
        self.queue.add((new or old).metadata.namespace)

    @abstractmethod
    def content(self) -> dict[str, Any] | None:
        """The object's fields beside its name; None when there is nothing to publish."""

    async def reconcile(self, key: str) -> float | None:
        namespace = self.namespaces.get(key)
        content = self.content()
        if namespace is None or namespace.metadata.deletionTimestamp is not None or content is None:
            return None
        existing = self.objects.get(f"{key}/{self.object_name}")
        if existing is None:
            await self._create(key, content)
        elif any(getattr(existing, name) != value for name, value in content.items()):
            self.objects.observe(await self.client.update(msgspec.structs.replace(existing, **content)))
        return None

    async def _create(self, namespace: str, content: dict[str, Any]) -> None:
        metadata = meta_v1.ObjectMeta(name=self.object_name, namespace=namespace, annotations=self.annotations())
        try:
            self.objects.observe(await self.client.create(self.kind(metadata=metadata, **content)))
        except AlreadyExists:
            return
        except Exception as error:
            if not namespace_ends(error):
                raise

    def annotations(self) -> dict[str, str] | None:
        return None


class ServiceAccountController(NamespaceDefault):
    name = "serviceaccount"
    component = "serviceaccount-controller"
    kind = core_v1.ServiceAccount
    object_name = "default"

    def content(self) -> dict[str, Any] | None:
        return {}


class RootCaController(NamespaceDefault):
    """Its key for the file itself is the empty one, which comes back every `LOOK_SECONDS`."""

    name = "root-ca-certificate-publisher"
    component = "root-ca-cert-publisher"
    kind = core_v1.ConfigMap
    object_name = ROOT_CA

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._text = ""
        if self.config.root_ca is not None:
            self._text = self.config.root_ca.read_text()
            self.enqueue(THE_FILE)

    async def reconcile(self, key: str) -> float | None:
        if key != THE_FILE:
            return await super().reconcile(key)
        assert self.config.root_ca is not None
        text = self.config.root_ca.read_text()
        if text != self._text:
            self._text = text
            for namespace in self.namespaces.list():
                self.enqueue(namespace.metadata.name)
        return LOOK_SECONDS

    def content(self) -> dict[str, Any] | None:
        return {"data": {"ca.crt": self._text}} if self._text else None

    def annotations(self) -> dict[str, str] | None:
        return {"kubernetes.io/description": DESCRIPTION}
