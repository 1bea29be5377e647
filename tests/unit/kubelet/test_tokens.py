"""A pod's service-account token: asked for once, bound to the pod, and asked for anew in good time."""

from __future__ import annotations

import random
from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1, meta_v1
from sampan.kubelet.objects import ApiObjects
from sampan.testing.clock import VirtualClock


class Issuer:
    """A client that only issues tokens, as a server answers over the wire."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.asked: list[Any] = []

    async def create_subresource(self, target: Any, name: str, namespace: str, subresource: str, body: Any) -> Any:
        self.asked.append((name, namespace, subresource, body.spec.boundObjectRef.uid))
        expires = timestamp(self.clock.now() + body.spec.expirationSeconds)
        return {"status": {"token": f"t{len(self.asked)}", "expirationTimestamp": expires}}


async def test_a_token_is_kept_until_most_of_its_life_is_over() -> None:
    clock = VirtualClock()
    issuer = Issuer(clock)
    objects = ApiObjects(issuer, clock, random.Random(1))  # type: ignore[arg-type]
    pod = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="p", namespace="ns", uid="u"), spec=core_v1.PodSpec())
    assert [await objects.token(pod, "", 1000) for _ in range(2)] == ["t1", "t1"]
    assert issuer.asked == [("default", "ns", "token", "u")]
    await clock.advance(850)
    assert await objects.token(pod, "", 1000) == "t2"
