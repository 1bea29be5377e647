"""Rules of the resource.k8s.io group: dynamic resource allocation (KEP-4381), in version 1.

Source: API reference v1.36.
"""

from __future__ import annotations

from sampan.api.validation.metadata import long_name
from sampan.api.validation.resource import allocation, claims, classes, pools, slices, taints
from sampan.api.validation.rule import Rule

GROUP = "resource.k8s.io"

RULES: dict[str, Rule] = {
    "DeviceClass": Rule(name=long_name, create=classes.create, update=classes.update),
    "DeviceTaintRule": Rule(
        create=taints.create_rule,
        update=taints.update_rule,
        subresources={"status": taints.update_rule_status},
        any_version=True,
    ),
    "ResourceClaim": Rule(
        create=claims.create_claim, update=claims.update_claim, subresources={"status": allocation.update_status}
    ),
    "ResourceClaimTemplate": Rule(create=claims.create_template, update=claims.update_template),
    "ResourcePoolStatusRequest": Rule(
        create=pools.create, update=pools.update, subresources={"status": pools.update_status}
    ),
    "ResourceSlice": Rule(create=slices.create, update=slices.update),
}
