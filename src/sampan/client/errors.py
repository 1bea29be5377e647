"""What can go wrong on the way to the API server, beside what the server itself answers.

An answer with a `Status` body is raised as `sampan.api.errors.ApiError` (or its subclass for the reason). The errors
here mean that there was no such answer.
"""

from __future__ import annotations


class ClientError(Exception):
    """Anything the client raises that is not the server's own answer."""


class Unreachable(ClientError):
    """No answer: refused, reset, timed out, or TLS failed. The request may or may not have been carried out."""


class BadConfig(ClientError):
    """A kubeconfig that cannot be read or does not say enough; the message says what to change."""


class NotLeader(ClientError):
    """A write was refused because this process no longer holds its lease."""
