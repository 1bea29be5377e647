"""The sample application: three pods behind a Service, to see a new cluster answer.

The manifests are what a user would write; `sampan up` sends them through the API like anyone's.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from sampan.aio.clock import Clock
from sampan.api.errors import AlreadyExists
from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.client.interface import Client
from sampan.cluster.looking import pause
from sampan.cri.builtin import SAMPLE_IMAGE

NAME = "hello"
NAMESPACE = "default"
REPLICAS = 3
PORT = 8080
LABELS = {"app": NAME}
GREETING = "Hello from"


def deployment(version: str = "1") -> Any:
    container = core_v1.Container(
        name=NAME,
        image=f"{SAMPLE_IMAGE}:{version}",
        ports=[core_v1.ContainerPort(name="http", containerPort=PORT)],
        readinessProbe=core_v1.Probe(
            httpGet=core_v1.HTTPGetAction(path="/", port="http"), periodSeconds=1, failureThreshold=1
        ),
        resources=core_v1.ResourceRequirements(
            requests={"cpu": "10m", "memory": "16Mi"}, limits={"cpu": "500m", "memory": "64Mi"}
        ),
    )
    return apps_v1.Deployment(
        metadata=meta_v1.ObjectMeta(name=NAME, namespace=NAMESPACE, labels=LABELS),
        spec=apps_v1.DeploymentSpec(
            replicas=REPLICAS,
            selector=meta_v1.LabelSelector(matchLabels=LABELS),
            template=core_v1.PodTemplateSpec(
                metadata=meta_v1.ObjectMeta(labels=LABELS), spec=core_v1.PodSpec(containers=[container])
            ),
        ),
    )


def service() -> Any:
    return core_v1.Service(
        metadata=meta_v1.ObjectMeta(name=NAME, namespace=NAMESPACE, labels=LABELS),
        spec=core_v1.ServiceSpec(
            type="NodePort", selector=LABELS, ports=[core_v1.ServicePort(name="http", port=80, targetPort="http")]
        ),
    )


async def deploy(client: Client) -> None:
    """Creates what is missing of the sample; changes nothing that is there."""
    for manifest in (deployment(), service()):
        try:
            await client.create(manifest)
        except AlreadyExists:
            continue


async def answer(client: Client, clock: Clock, seconds: float) -> tuple[Any, str]:
    """The Service and the first text it answers with on its cluster address; TimeoutError after `seconds`."""
    found = await client.get(core_v1.Service, NAME, NAMESPACE)
    deadline = clock.monotonic() + seconds
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            begun = clock.monotonic()
            try:
                async with session.get(f"http://{found.spec.clusterIP}/") as response:
                    text = (await response.text()).strip()
                    if text.startswith(GREETING):
                        return found, text
            except (aiohttp.ClientError, TimeoutError):
                pass
            if clock.monotonic() > deadline:
                raise TimeoutError(f"the sample's Service did not answer within {seconds:.0f} s")
            await clock.sleep(pause(clock.monotonic() - begun))
