"""Images are pulled for every container, so that nobody runs a private image another's credentials have fetched."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.podsecurity.view import containers
from sampan.apiserver.write import Write


class AlwaysPullImages(Plugin):
    """Off by default, as upstream. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/"""

    name = "AlwaysPullImages"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "ephemeralcontainers"})

    def mutate(self, write: Write) -> None:
        if write.new.spec is None or (write.old is not None and _images(write.new) == _images(write.old)):
            return
        for container in containers(write.new):
            container.imagePullPolicy = "Always"


def _images(pod: Any) -> set[str]:
    return {container.image or "" for container in containers(pod)}
