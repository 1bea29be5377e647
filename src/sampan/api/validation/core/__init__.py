"""Rules of the core group, by kind; each module judges one noun."""

from __future__ import annotations

from sampan.api import names
from sampan.api.validation.core import (
    claims,
    configs,
    endpoints,
    events,
    namespaces,
    nodes,
    persistentvolumes,
    podresize,
    pods,
    podstatus,
    podupdates,
    quotas,
    replication,
    services,
)
from sampan.api.validation.metadata import long_name
from sampan.api.validation.rule import Rule

GROUP = ""

RULES: dict[str, Rule] = {
    "ConfigMap": Rule(create=configs.create_config_map, update=configs.update_config_map),
    "Endpoints": Rule(create=endpoints.create, update=endpoints.update),
    "Event": Rule(name=names.path_segment, create=events.create_old, update=events.update_old),
    "LimitRange": Rule(create=quotas.create_limit_range, update=quotas.update_limit_range),
    "Namespace": Rule(
        name=names.label,
        create=namespaces.create,
        subresources={"finalize": namespaces.finalize, "status": namespaces.update_status},
    ),
    "Node": Rule(create=nodes.create, update=nodes.update, subresources={"status": nodes.update_status}),
    "PersistentVolume": Rule(create=persistentvolumes.create, update=persistentvolumes.update),
    "PersistentVolumeClaim": Rule(
        create=claims.create, update=claims.update, subresources={"status": claims.update_status}
    ),
    "Pod": Rule(
        create=pods.create,
        update=podupdates.update,
        subresources={
            "status": podstatus.update,
            "ephemeralcontainers": podupdates.update_ephemeral_containers,
            "resize": podresize.update,
        },
    ),
    "PodTemplate": Rule(create=pods.create_template, update=pods.update_template),
    "ReplicationController": Rule(
        name=long_name,
        create=replication.create,
        update=replication.update,
        subresources={"status": replication.update_status},
    ),
    "ResourceQuota": Rule(
        create=quotas.create_quota, update=quotas.update_quota, subresources={"status": quotas.update_quota_status}
    ),
    "Secret": Rule(create=configs.create_secret, update=configs.update_secret),
    "Service": Rule(
        name=names.label,
        create=services.create,
        update=services.update,
        subresources={"status": services.update_status},
    ),
    "ServiceAccount": Rule(),
}
