"""Strategies of the certificates group: a request asks once, an approver decides, a signer signs (KEP-1513, KEP-4317).

Conditions that nobody gave a time get the server's.
"""

from __future__ import annotations

from typing import Any

from sampan.api.strategy.habits import Strategy, reset_metadata

GROUP = "certificates.k8s.io"
DECISIONS = ("Approved", "Denied")
OUTCOMES = ("Issued", "Denied", "Failed")


def keep_spec(new: Any, old: Any) -> None:
    """A certificate request asks once."""
    new.spec = old.spec


def conditions(obj: Any) -> list[Any]:
    return list((obj.status.conditions if obj.status is not None else None) or ())


def keep_conditions(new: Any, old: Any, kinds: tuple[str, ...]) -> None:
    """Conditions of these kinds stay as they were; validation tells of those that come and go."""
    now = conditions(new)
    for kind in kinds:
        before = [c for c in conditions(old) if c.type == kind]
        places = [i for i, c in enumerate(now) if c.type == kind]
        if len(before) == len(places):
            for place, condition in zip(places, before, strict=True):
                now[place] = condition
    if now:
        new.status.conditions = now


def update_request_status(new: Any, old: Any) -> None:
    """A signer gives certificates and tells of failures; whether to sign is not its to say."""
    new.spec = old.spec
    keep_conditions(new, old, DECISIONS)


def update_request_approval(new: Any, old: Any) -> None:
    """An approver decides, and does nothing else."""
    new.spec = old.spec
    if new.status is not None and old.status is not None:
        new.status.certificate = old.status.certificate


def update_pod_request_status(new: Any, old: Any) -> None:
    """What a signer of pods' certificates may say of a request."""
    new.spec = old.spec
    reset_metadata(new.metadata, old.metadata)
    keep_conditions(new, old, OUTCOMES)


def stamp_conditions(new: Any, old: Any, now: str) -> None:
    """A condition that was there with the same status keeps its time of transition."""
    before = {(c.type, c.status): c.lastTransitionTime for c in reversed(conditions(old)) if c.lastTransitionTime}
    for condition in conditions(new):
        if not condition.lastTransitionTime:
            condition.lastTransitionTime = before.get((condition.type, condition.status), now)


def stamp_request(new: Any, old: Any, now: str) -> None:
    """As `stamp_conditions`, and when each was last told."""
    stamp_conditions(new, old, now)
    for condition in conditions(new):
        if not condition.lastUpdateTime:
            condition.lastUpdateTime = now


STRATEGIES: dict[str, Strategy] = {
    "CertificateSigningRequest": Strategy(
        update=keep_spec,
        subresources={"status": update_request_status, "approval": update_request_approval},
        stamps={"status": stamp_request, "approval": stamp_request},
        resets={
            "": {"f:spec": {}, "f:status": {}},
            "status": {"f:spec": {}, "f:status": {"f:conditions": {}}},
            "approval": {"f:spec": {}, "f:status": {"f:certificate": {}}},
        },
    ),
    "PodCertificateRequest": Strategy(
        subresources={"status": update_pod_request_status}, stamps={"status": stamp_conditions}
    ),
}
