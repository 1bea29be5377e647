"""Old labels follow the new ones: `beta.kubernetes.io/os` and `arch`. Pure. Rules: "Well-Known Labels"."""

from __future__ import annotations

from typing import Any

FOLLOWS = {"beta.kubernetes.io/os": "kubernetes.io/os", "beta.kubernetes.io/arch": "kubernetes.io/arch"}


def due(node: Any) -> dict[str, str]:
    """The old labels that are absent or say something else than the new ones."""
    labels = node.metadata.labels or {}
    return {old: labels[new] for old, new in FOLLOWS.items() if new in labels and labels.get(old) != labels[new]}
