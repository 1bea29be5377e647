"""The kubelet's side towards the container runtime: what it hears from there, and the images it has there."""

from __future__ import annotations

from collections.abc import Callable

from sampan.kubelet.apiside import ApiSide
from sampan.kubelet.credentials.sources import Providers, PullCredentials
from sampan.kubelet.features import RuntimeFeatures
from sampan.kubelet.images import Images
from sampan.kubelet.imagevolumes import ImageVolumes, Views
from sampan.kubelet.objects import ApiObjects
from sampan.kubelet.pullrecords import PullRecords
from sampan.kubelet.pulls import Pulls
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.watcher import RuntimeWatcher


class RuntimeSide:
    """`views` shows images as volumes, None where the runtime cannot; `changed` is called when it comes or goes."""

    def __init__(self, given: Surroundings, api: ApiSide, views: Views | None, *, changed: Callable[[], None]) -> None:
        config = given.config
        self.features = RuntimeFeatures()
        self.watcher = RuntimeWatcher(
            given.runtime,
            given.clock,
            given.rng,
            relist=config.relist,
            relist_without_events=config.relist_without_events,
            changed=changed,
            relisted=given.instruments.relisted,
            met=self.features.met,
        )
        self.images = node_images(given, api.objects)
        self.image_volumes = ImageVolumes(self.images, views, api.recorder.event) if views is not None else None


def node_images(given: Surroundings, objects: ApiObjects) -> Images:
    """The node's images, as it is configured how they are pulled."""
    config, clock = given.config, given.clock
    records = PullRecords(
        config.root / "image_manager",
        clock,
        verify=config.pull_verification,
        allowed=config.preloaded_images,
        own=config.kept_images,
    )
    pulls = Pulls(given.runtime, clock, parallel=1 if config.serialize_pulls else config.max_parallel_pulls)
    credentials = PullCredentials(objects, node=config.root / "config.json", providers=node_providers(given, objects))
    return Images(given.runtime, clock, pulls=pulls, records=records, credentials=credentials)


def node_providers(given: Surroundings, objects: ApiObjects) -> Providers | None:
    """The node's credential providers; None, and nothing of them loaded, where none are configured."""
    config, clock = given.config, given.clock
    if not config.credential_providers:
        return None
    from sampan.kubelet.credentials.program import Programs
    from sampan.kubelet.credentials.providers import CredentialProviders

    programs = Programs(config.credential_programs, clock, given.instruments)
    return CredentialProviders(config.credential_providers, programs, objects, clock)
