"""How often, and how fast, it was found out who asks and whether they may, under upstream's names and labels.

https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.apiserver import exposition
from sampan.apiserver.exposition import Histogram

SECONDS = tuple(0.001 * 2**power for power in range(15))
QUICK_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25)
WEBHOOK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHOWN = frozenset({"admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"})
"""Users that are named; there would be too many series of others."""
USERS = "authenticated_user_requests"
JWT = "apiserver_authentication_jwt_authenticator"
SUCCESS, FAILURE, ERROR, TIMEOUT = "success", "failure", "error", "timeout"
COUNTERS: dict[str, tuple[tuple[str, ...], str]] = {
    "apiserver_authorization_decisions_total": (
        ("type", "name", "decision"),
        "Terminal decisions of an authorizer.",
    ),
    "apiserver_authorization_webhook_evaluations_total": (
        ("name", "result"),
        "Round trips to authorization webhooks.",
    ),
    "apiserver_authorization_webhook_evaluations_fail_open_total": (
        ("name", "result"),
        "NoOpinion because a webhook failed.",
    ),
    "apiserver_authorization_match_condition_evaluation_errors_total": (
        ("type", "name"),
        "Match conditions that could not be evaluated.",
    ),
    "apiserver_authorization_match_condition_exclusions_total": (
        ("type", "name"),
        "Questions that match conditions kept from a webhook.",
    ),
}
HISTOGRAMS: dict[str, tuple[tuple[str, ...], tuple[float, ...], str]] = {
    "authentication_duration_seconds": (("result",), SECONDS, "Seconds to find out who asks."),
    "authorization_duration_seconds": (("result",), SECONDS, "Seconds to find out whether they may."),
    "apiserver_authorization_webhook_duration_seconds": (
        ("name", "result"),
        WEBHOOK_SECONDS,
        "Seconds a webhook took to answer.",
    ),
    "apiserver_authorization_match_condition_evaluation_seconds": (
        ("type", "name"),
        QUICK_SECONDS,
        "Seconds to evaluate a webhook's match conditions.",
    ),
    f"{JWT}_latency_seconds": (("result", "jwt_issuer_hash"), WEBHOOK_SECONDS, "Seconds to check an issuer's token."),
}
GAUGES: dict[str, tuple[tuple[str, ...], str]] = {
    f"{JWT}_jwks_fetch_last_timestamp_seconds": (
        ("apiserver_id_hash", "jwt_issuer_hash", "result"),
        "When an issuer was last asked for its keys.",
    ),
    f"{JWT}_jwks_fetch_last_key_set_info": (
        ("apiserver_id_hash", "jwt_issuer_hash", "hash"),
        "The keys that an issuer last told, by their digest.",
    ),
}
ATTEMPTS = {
    "authentication_attempts": ("authentication_duration_seconds", "Attempts to find out who asks."),
    "authorization_attempts_total": ("authorization_duration_seconds", "Attempts to find out whether they may."),
}
"""Counters that are as many as a histogram's observations: these two are on the way of every request."""


class Tally:
    """Counts by name and labels; those are the server's own or its configuration's, never a client's."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[tuple[str, ...], int]] = {name: {} for name in COUNTERS}
        self._gauges: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in GAUGES}
        self._users: dict[str, int] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {name: {} for name in HISTOGRAMS}

    def count(self, name: str, *labels: str) -> None:
        counter = self._counters[name]
        counter[labels] = counter.get(labels, 0) + 1

    def mark(self, name: str, value: float, *labels: str) -> None:
        self._gauges[name][labels] = value

    def forget(self, name: str, *labels: str) -> None:
        """What was marked with labels that begin with these is no more."""
        marks = self._gauges[name]
        for key in [key for key in marks if key[: len(labels)] == labels]:
            del marks[key]

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        series = self._histograms[name]
        histogram = series.get(labels)
        if histogram is None:
            histogram = series[labels] = Histogram(HISTOGRAMS[name][1])
        histogram.observe(seconds)

    def authenticated(self, result: str, seconds: float, user: str = "") -> None:
        """`user` only with success."""
        self.observe("authentication_duration_seconds", seconds, result)
        if result is SUCCESS:
            sort = user if user in SHOWN else "email_id" if "@" in user else "other"
            self._users[sort] = self._users.get(sort, 0) + 1

    def authorized(self, result: str, seconds: float) -> None:
        self.observe("authorization_duration_seconds", seconds, result)

    def lines(self) -> Iterator[str]:
        """What has happened at all, as Prometheus text."""
        for name, (labels, text) in COUNTERS.items():
            samples = {exposition.labels(labels, key): count for key, count in self._counters[name].items()}
            yield from exposition.counts(name, "counter", text, samples) if samples else ()
        for name, (labels, text) in GAUGES.items():
            marks = {exposition.labels(labels, key): value for key, value in self._gauges[name].items()}
            yield from exposition.counts(name, "gauge", text, marks) if marks else ()
        users = {f'username="{user}"': count for user, count in self._users.items()}
        if users:
            yield from exposition.counts(USERS, "counter", "Authenticated requests, by sorts of users.", users)
        for name, (timed, text) in ATTEMPTS.items():
            found = self._histograms[timed]
            samples = {exposition.labels(("result",), key): sum(one.buckets) for key, one in found.items()}
            yield from exposition.counts(name, "counter", text, samples) if samples else ()
        for name, (labels, _, text) in HISTOGRAMS.items():
            series = {exposition.labels(labels, key): found for key, found in self._histograms[name].items()}
            yield from exposition.histograms(name, text, series) if series else ()
