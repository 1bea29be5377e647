"""Another program says which images may run: it is asked once for each set of images, and its answer kept for a while.

    imagePolicy:
      kubeConfigFile: /etc/sampan/images.kubeconfig   # where it is, and the certificate or token to show
      allowTTL: 300          # seconds a yes is kept; -1: not at all
      denyTTL: 30            # seconds a no is kept
      retryBackoff: 500      # milliseconds before a second try
      defaultAllow: false    # what holds when it does not answer

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#imagepolicywebhook
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from sampan.apiserver import outgoing
from sampan.apiserver.admission.configuration import convert
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.webhook.memory import Memory
from sampan.apiserver.auth.webhook.review import Webhook
from sampan.apiserver.outgoing import Unreachable
from sampan.apiserver.write import Write
from sampan.codec import kubeconfig
from sampan.codec.kubeconfig import Kubeconfig

log = logging.getLogger(__name__)
MARK = ".image-policy.k8s.io/"
SECONDS = 30.0
MOST_KEPT_SECONDS = 30 * 60
MOST_PAUSE_MS = 5 * 60 * 1000
EPHEMERAL = "ephemeralcontainers"


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kubeConfigFile: str
    allowTTL: int = 0
    denyTTL: int = 0
    retryBackoff: int = 0
    defaultAllow: bool = False


class _Configuration(msgspec.Struct, forbid_unknown_fields=True):
    imagePolicy: _Settings


class _Answer(msgspec.Struct):
    allowed: bool = False
    reason: str = ""


class ImagePolicyWebhook(Plugin):
    """Off by default, as upstream; it needs its configuration."""

    name = "ImagePolicyWebhook"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    subresources: ClassVar[frozenset[str]] = frozenset({"", EPHEMERAL})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._settings: _Settings | None = None
        self._kubeconfig: Kubeconfig | None = None
        self._webhook: Webhook | None = None
        self._memory: Memory[_Answer] | None = None

    def configure(self, settings: Any) -> None:
        found = convert(settings, _Configuration, where=self.name).imagePolicy
        self._kubeconfig = kubeconfig.load(Path(found.kubeConfigFile))
        self._settings = msgspec.structs.replace(
            found,
            allowTTL=_within(found.allowTTL, 300, MOST_KEPT_SECONDS, "allowTTL"),
            denyTTL=_within(found.denyTTL, 30, MOST_KEPT_SECONDS, "denyTTL"),
            retryBackoff=_within(found.retryBackoff, 500, MOST_PAUSE_MS, "retryBackoff"),
        )

    def require(self) -> None:
        if self._settings is None:
            raise ValueError("imagePolicy: must be there: name the webhook in --admission-control-config-file")

    async def validate(self, write: Write) -> None:
        spec = review_of(write)
        if not spec["containers"]:
            return
        settings = self._settings
        assert settings is not None
        try:
            answer = await self._answer(spec, settings)
        except (Unreachable, msgspec.ValidationError) as error:
            if settings.defaultAllow:
                log.warning("images are let through without an answer error=%s", error)
                return
            raise forbid(write, str(error)) from None
        if answer.allowed:
            return
        if answer.reason:
            raise forbid(write, f"image policy webhook backend denied one or more images: {answer.reason}")
        raise forbid(write, "one or more images rejected by webhook backend")

    async def _answer(self, spec: dict[str, Any], settings: _Settings) -> _Answer:
        """The webhook's, or what it said before. Raises Unreachable, and ValidationError for an answer that is none."""
        webhook, memory = self._open()
        key = msgspec.json.encode(spec, order="deterministic")
        kept = memory.get(key)
        if kept is not None:
            return kept
        review = {"apiVersion": "imagepolicy.k8s.io/v1alpha1", "kind": "ImageReview", "metadata": {}, "spec": spec}
        answer = msgspec.convert(await webhook.status(review), _Answer)
        memory.keep(key, answer, settings.allowTTL if answer.allowed else settings.denyTTL)
        return answer

    def _open(self) -> tuple[Webhook, Memory[_Answer]]:
        if self._webhook is None or self._memory is None:
            server, read = self.server, self._kubeconfig
            assert read is not None
            poster = outgoing.caller(read, seconds=SECONDS)
            self._webhook = Webhook(poster, read.server, clock=server.clock, rng=server.rng, seconds=SECONDS)
            self._memory = Memory(server.clock.monotonic)
        return self._webhook, self._memory

    async def close(self) -> None:
        if self._webhook is not None:
            await self._webhook.close()


def review_of(write: Write) -> dict[str, Any]:
    """The spec of an ImageReview: the images that come in, and what the pod's maker has to say to the webhook."""
    spec = write.new.spec
    if spec is None:
        listed: list[Any] = []
    elif write.subresource == EPHEMERAL:
        listed = list(spec.ephemeralContainers or ())
    else:
        listed = [*(spec.containers or ()), *(spec.initContainers or ())]
    annotations = {name: text for name, text in (write.new.metadata.annotations or {}).items() if MARK in name}
    review: dict[str, Any] = {"containers": [{"image": one.image or ""} for one in listed]}
    if annotations:
        review["annotations"] = annotations
    return review | {"namespace": write.namespace}


def _within(value: int, default: int, most: int, field: str) -> int:
    """The value, the default for none, nothing for -1. Raises ValueError for any other that is no sensible time."""
    if value == 0:
        return default
    if value == -1:
        return 0
    if not 0 < value <= most:
        raise ValueError(f"imagePolicy.{field}: {value}: must be from 1 to {most}, or -1 for none")
    return value
