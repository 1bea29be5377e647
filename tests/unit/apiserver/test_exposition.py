"""Prometheus' text format, read back by its own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from sampan.apiserver.exposition import Histogram, counts, histograms, labels


def parsed(lines: list[str]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_labels_hold_any_text() -> None:
    odd = 'a"b\\c\nd'
    found = parsed(counts("n_total", "counter", "Help.", {labels(("x", "y"), (odd, 1)): 3}))
    assert found == {("n_total", (("x", odd), ("y", "1"))): 3}


def test_a_gauge_without_labels() -> None:
    assert parsed(counts("n", "gauge", "Help.", {"": 2.5})) == {("n", ()): 2.5}
    assert parsed(counts("n", "gauge", "Help.", {})) == {}


def test_a_histogram_counts_up() -> None:
    histogram = Histogram((1, 2.5))
    for value in (0.5, 1.0, 2.0, 99.0):
        histogram.observe(value)
    for key, named in (("", ()), (labels(("a",), ("b",)), (("a", "b"),))):
        found = parsed(histograms("h", "Help.", {key: histogram}))
        assert found == {
            ("h_bucket", (*named, ("le", "1"))): 2,
            ("h_bucket", (*named, ("le", "2.5"))): 3,
            ("h_bucket", (*named, ("le", "+Inf"))): 4,
            ("h_sum", named): 102.5,
            ("h_count", named): 4,
        }
