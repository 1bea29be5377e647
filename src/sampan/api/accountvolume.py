"""What a pod's service account comes in: a projected volume with its token, the cluster's CA and the namespace.

It is the same in every pod, so it is made once, shared and never changed; and who judges pods knows it by sight.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-token-volume
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sampan.api.kinds import core_v1

TOKEN_SECONDS = 3607
"""An hour and a little: by the seven, tokens that were asked for on a pod's behalf are told from others."""


@cache
def projected() -> Any:
    """The volume's source."""
    token = core_v1.ServiceAccountTokenProjection(path="token", expirationSeconds=TOKEN_SECONDS)
    ca = core_v1.ConfigMapProjection(name="kube-root-ca.crt", items=[core_v1.KeyToPath(key="ca.crt", path="ca.crt")])
    field = core_v1.ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    place = core_v1.DownwardAPIProjection(items=[core_v1.DownwardAPIVolumeFile(path="namespace", fieldRef=field)])
    sources = [
        core_v1.VolumeProjection(serviceAccountToken=token),
        core_v1.VolumeProjection(configMap=ca),
        core_v1.VolumeProjection(downwardAPI=place),
    ]
    return core_v1.ProjectedVolumeSource(sources=sources, defaultMode=0o644)
