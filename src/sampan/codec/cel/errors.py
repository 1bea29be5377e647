"""What can be wrong with an expression."""

from __future__ import annotations


class CelError(ValueError):
    """An expression that is not CEL, or whose types do not fit; the message says where and why."""


class EvaluationError(Exception):
    """A good expression that has no value for what it was given: a missing key, an overflow, too many iterations."""
