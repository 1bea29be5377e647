"""What can go wrong around a cluster; the message says what to do."""

from __future__ import annotations


class ClusterError(Exception):
    """Told to the person at the terminal as it is, without a traceback."""
