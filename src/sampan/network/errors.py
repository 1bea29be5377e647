"""How the network's edge fails."""

from __future__ import annotations


class Unusable(Exception):
    """The machine cannot do this: a program or a kernel feature is missing. The text says what to do about it."""


class RefusedByKernel(Exception):
    """A change was not applied, nothing of it; carries the tool's own words."""
