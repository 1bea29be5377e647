"""Requests that show no credential: for which paths they are let in as system:anonymous.

Where nothing is configured, that is the health endpoints and one ConfigMap, by which a machine that joins comes to know
its cluster before it trusts anybody (it may be read once there is a token to join with, see `sampan.cluster.tokens`):
stricter than upstream, whose default lets them in everywhere and leaves it to authorization.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.apiserver.auth.authorizer import HEALTH_PATHS

if TYPE_CHECKING:
    from sampan.apiserver.auth.configuration.authentication import Anonymous
    from sampan.apiserver.auth.configuration.document import Mistakes

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


class AnonymousPolicy:
    """`paths` None: every path."""

    def __init__(self, *, enabled: bool, paths: frozenset[str] | None, health: bool = False) -> None:
        self._enabled = enabled
        self._paths = paths
        self._health = health

    def allows(self, path: str) -> bool:
        """Whether a request for the path may go on without a credential."""
        if not self._enabled:
            return False
        if self._paths is None or path in self._paths:
            return True
        return self._health and path.startswith("/") and path.split("/", 2)[1] in _HEALTH


_HEALTH = frozenset(path[1:] for path in HEALTH_PATHS)


def policy(flag: bool | None, configured: Anonymous | None) -> AnonymousPolicy:
    """What `--anonymous-auth` (None: not given) or the configuration file say; never both."""
    if configured is not None:
        paths = frozenset(condition.path for condition in configured.conditions)
        return AnonymousPolicy(enabled=configured.enabled, paths=paths or None)
    if flag is None:
        return AnonymousPolicy(enabled=True, paths=frozenset({CLUSTER_INFO}), health=True)
    return AnonymousPolicy(enabled=flag, paths=None)


def check(flag: bool | None, configured: Anonymous | None, mistakes: Mistakes) -> None:
    """Find what does not go together."""
    if configured is None:
        return
    if flag is not None:
        mistakes.invalid("anonymous", "", "--anonymous-auth cannot be given where the configuration has this field")
    if not configured.enabled and configured.conditions:
        why = "enabled should be set to true when conditions are defined"
        mistakes.invalid("anonymous.conditions", [condition.path for condition in configured.conditions], why)
