"""What network interfaces have carried, from /proc/<pid>/net/dev: pure but for the reading."""

from __future__ import annotations

from pathlib import Path

from sampan.kubelet.stats.usage import Interface


def interfaces(text: str) -> tuple[Interface, ...]:
    """Those of a `net/dev` file, the loopback left out."""
    found = []
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        words = [int(word) for word in numbers.split()]
        if name.strip() != "lo" and len(words) >= 12:
            found.append(
                Interface(
                    name=name.strip(),
                    received=words[0],
                    received_packets=words[1],
                    receive_errors=words[2],
                    receive_drops=words[3],
                    sent=words[8],
                    sent_packets=words[9],
                    send_errors=words[10],
                    send_drops=words[11],
                )
            )
    return tuple(found)


def of_process(pid: int, proc: Path = Path("/proc")) -> tuple[Interface, ...]:
    """Those in a process's network; none when it has ended."""
    try:
        return interfaces((proc / str(pid) / "net" / "dev").read_text())
    except OSError:
        return ()
