"""cAdvisor's metrics of containers that are read off one attribute each: a row a metric, with how they become families.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sampan.kubelet.metrics.exposition import Family, Sample

NANO = 1e-9


class Row(NamedTuple):
    """One metric: the attribute of what was measured, and what it is multiplied with."""

    name: str
    kind: str
    attribute: str
    about: str
    scale: float = 1


CPU = (
    Row("cpu_usage_seconds_total", "counter", "total", "Cumulative cpu time consumed in seconds.", NANO),
    Row("cpu_user_seconds_total", "counter", "user", "Cumulative user cpu time consumed in seconds.", NANO),
    Row("cpu_system_seconds_total", "counter", "system", "Cumulative system cpu time consumed in seconds.", NANO),
    Row("cpu_cfs_periods_total", "counter", "periods", "Number of elapsed enforcement period intervals."),
    Row("cpu_cfs_throttled_periods_total", "counter", "throttled_periods", "Number of throttled period intervals."),
    Row("cpu_cfs_throttled_seconds_total", "counter", "throttled", "Total time duration of being throttled.", NANO),
)
MEMORY = (
    Row("memory_usage_bytes", "gauge", "usage", "Current memory usage in bytes, whenever it was accessed"),
    Row("memory_working_set_bytes", "gauge", "working_set", "Current working set in bytes."),
    Row("memory_rss", "gauge", "rss", "Size of RSS in bytes."),
    Row("memory_cache", "gauge", "cache", "Number of bytes of page cache memory."),
    Row("memory_swap", "gauge", "swap", "Container swap usage in bytes."),
    Row("memory_mapped_file", "gauge", "mapped", "Size of memory mapped files in bytes."),
    Row("memory_max_usage_bytes", "gauge", "most", "Maximum memory usage recorded in bytes"),
    Row("memory_failcnt", "counter", "failures", "Number of memory usage hits limits"),
    Row("spec_memory_limit_bytes", "gauge", "limit", "Memory limit for the container."),
)
NETWORK = (
    Row("network_receive_bytes_total", "counter", "received", "Cumulative count of bytes received"),
    Row("network_receive_packets_total", "counter", "received_packets", "Cumulative count of packets received"),
    Row("network_receive_errors_total", "counter", "receive_errors", "Cumulative count of errors while receiving"),
    Row("network_receive_packets_dropped_total", "counter", "receive_drops", "Packets dropped while receiving"),
    Row("network_transmit_bytes_total", "counter", "sent", "Cumulative count of bytes transmitted"),
    Row("network_transmit_packets_total", "counter", "sent_packets", "Cumulative count of packets transmitted"),
    Row("network_transmit_errors_total", "counter", "send_errors", "Cumulative count of errors while transmitting"),
    Row("network_transmit_packets_dropped_total", "counter", "send_drops", "Packets dropped while transmitting"),
)
LIMITS = (
    Row("spec_cpu_period", "gauge", "period", "CPU period of the container."),
    Row("spec_cpu_quota", "gauge", "quota", "CPU quota of the container."),
    Row("spec_cpu_shares", "gauge", "shares", "CPU share of the container."),
)
BLOCKS = (
    Row("fs_reads_bytes_total", "counter", "read", "Cumulative count of bytes read"),
    Row("fs_reads_total", "counter", "reads", "Cumulative count of reads completed"),
    Row("fs_writes_bytes_total", "counter", "written", "Cumulative count of bytes written"),
    Row("fs_writes_total", "counter", "writes", "Cumulative count of writes completed"),
)
CONTAINER = (
    Row("start_time_seconds", "gauge", "started", "Start time of the container since unix epoch in seconds."),
    Row("processes", "gauge", "processes", "Number of processes running inside the container."),
    Row("threads_max", "gauge", "threads_most", "Maximum number of threads allowed, infinity if value is zero"),
    Row("oom_events_total", "counter", "oom_kills", "Count of out of memory events observed for the container"),
)
SPACE = (
    Row("fs_usage_bytes", "gauge", "used", "Number of bytes that are consumed by the container on this filesystem."),
    Row("fs_limit_bytes", "gauge", "capacity", "Number of bytes that the file system has."),
    Row("fs_inodes_total", "gauge", "inodes", "Number of Inodes"),
    Row("fs_inodes_free", "gauge", "inodes_free", "Number of available Inodes"),
)
WRITABLE = SPACE[:1]
"""Of a writable layer only what it takes is known; the rest is its file system's."""


def of_rows(rows: Sequence[Row], found: Sequence[tuple[dict[str, str], Any]]) -> list[Family]:
    """A family for each row, with a sample for each of what was measured."""
    known = [(names, value) for names, value in found if value is not None]
    return [
        Family(
            f"container_{row.name}",
            row.kind,
            row.about,
            [Sample(names, getattr(value, row.attribute) * row.scale) for names, value in known],
        )
        for row in rows
    ]
