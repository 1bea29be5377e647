"""What a process does with its memory."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_goes_on_without_the_code_it_had_in_memory() -> None:
    """In a process of its own, which has used what it is asked for afterwards."""
    program = (
        "import hashlib, json, numpy\n"
        "from sampan.aio import heap\n"
        "work = lambda: (hashlib.sha512(b'a').hexdigest()[:8], json.dumps({'a': [1]}), int(numpy.arange(9).sum()))\n"
        "resident = lambda: int(open('/proc/self/smaps_rollup').read().partition('Rss:')[2].split()[0])\n"
        "before, had = work(), resident()\n"
        "heap.give_back()\n"
        "less = resident()\n"
        "assert work() == before and less < had - 1000, (had, less)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
