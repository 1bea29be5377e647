"""When a certificate is to be renewed. Pure: the moment is given.

Renewal is due at `RENEW_AT` of a life, which leaves almost a third of it (110 days of a year) for whatever is wrong to
be noticed and mended. Those who renew by asking the API (kubelets) spread over `RENEW_AT` to `RENEW_BY`, each by its
own chance, so that nodes that joined together do not come back together; upstream's kubelet takes 70 to 90 percent.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

RENEW_AT = 0.7
RENEW_BY = 0.9
LONGEST_SECONDS = 3600.0
SHORTEST_SECONDS = 1.0
OVERDUE_SECONDS, AGAIN_SECONDS = 5.0, 60.0


@dataclass(frozen=True)
class Life:
    """From when until when something is good, in seconds since the epoch."""

    begin: float
    end: float

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Life:
        return cls(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())

    def share(self, now: float) -> float:
        """How much of it has passed: below 0 before it begins, above 1 after its end."""
        length = self.end - self.begin
        return (now - self.begin) / length if length > 0 else 2.0

    def moment(self, share: float) -> float:
        """When that share of it has passed."""
        return self.begin + share * (self.end - self.begin)

    def renewal(self, rng: random.Random) -> float:
        """When somebody of many renews."""
        return self.moment(rng.uniform(RENEW_AT, RENEW_BY))


def next_look(due: float, now: float) -> float:
    """Seconds to wait before looking again at what is due at `due`.

    At most an hour: clocks are set and files replaced meanwhile. At least a second, and a minute for what has been due
    for a while: it cannot be renewed, or nobody here does, and must not be tried without pause.
    """
    if now - due > OVERDUE_SECONDS:
        return AGAIN_SECONDS
    return min(max(due - now, SHORTEST_SECONDS), LONGEST_SECONDS)
