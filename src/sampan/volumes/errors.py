"""Why a volume could not be made; the message is what the user sees in the FailedMount event."""

from __future__ import annotations


class VolumeError(Exception):
    """It may work later: an object is missing, a path is not there yet."""


class UnsupportedVolume(VolumeError):
    """This node does not know the kind of volume."""


class UnprocessedVolume(VolumeError):
    """What the volume is could not even be found out: its claim is missing or not bound."""
