"""From a query's bytes to the answer's bytes, for everything that can be said at once.

Nearly every query in a cluster is for a name of the cluster, small and well-formed: those are answered by one lookup of
the question's own bytes among the zone's ready answers. What misses is read properly, after which its answer is ready;
what has to be asked elsewhere comes back as a `Query` for the slow path.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.network.dns import wire
from sampan.network.dns.answer import Answer
from sampan.network.dns.wire import Malformed, Query
from sampan.network.dns.zone import Zone

ONE_QUESTION = b"\x00\x01\x00\x00\x00\x00"
PLAIN, WITH_OPT = b"\x00\x00", b"\x00\x01"
OPT_START, NO_OPTIONS = b"\x00\x00\x29", b"\x00\x00"


class Responder:
    """`ready` tells whether the zone is complete: before, names of the cluster that are not known yet
    are answered SERVFAIL, to be retried."""

    def __init__(self, zone: Zone, ready: Callable[[], bool]) -> None:
        self._zone = zone
        self._ready = ready
        self._answers = zone.answers
        self._passing = zone.passing
        self._turn = 0
        self.fast = 0
        self.read = 0
        self.malformed = 0

    def immediate(self, data: bytes, *, tcp: bool = False) -> bytes | Query | None:
        """The answer, or the query when others must be asked, or None when nothing should be said."""
        end = data.find(0, 12) + 5
        question = data[12:end].lower()
        answer = self._answers.get(question) or self._passing.get(question)
        if answer is not None and data[4:10] == ONE_QUESTION and not data[2] & 0xF8 | data[3] & wire.CD and not tcp:
            # Only answers that turn count: who asks for AAAA with every A would else meet the same half of them.
            self._turn += answer.stride > 0
            if len(data) == end and data[10:12] == PLAIN:
                self.fast += 1
                return answer.respond(data, end, wire.NO_OPT, 512, self._turn)
            if data[10:12] == WITH_OPT and _is_plain_opt(data[end:]):
                self.fast += 1
                size = data[end + 3] << 8 | data[end + 4]
                opt = wire.OPT_WITH_DO if data[end + 7] & 0x80 else wire.OPT_RECORD
                return answer.respond(data, end, opt, min(max(size, 512), wire.UDP_SIZE), self._turn)
        return self._read(data, tcp)

    def _read(self, data: bytes, tcp: bool) -> bytes | Query | None:
        self.read += 1
        try:
            query = wire.parse_query(data)
        except Malformed as error:
            self.malformed += 1
            return None if error.rcode is None else wire.failure(data, error.rcode)
        if not self._zone.holds(query.name, query.type):
            return query
        if self._zone.alias(query.name) is not None and query.type != wire.CNAME:
            return query
        if not self._zone.has(query.name) and not self._ready():
            return Answer(rcode=wire.SERVFAIL).to(query, tcp=tcp)
        answer = self._zone.lookup(query.name, query.type)
        self._turn += answer.stride > 0
        return answer.to(query, tcp=tcp, turn=self._turn)


def _is_plain_opt(data: bytes) -> bool:
    """An OPT record of version 0 without options, and nothing behind it: what resolvers that speak EDNS send."""
    return len(data) == 11 and data[:3] == OPT_START and not data[6] and data[9:] == NO_OPTIONS
