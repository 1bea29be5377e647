"""The calibrator of every figure: an aiohttp server on uvloop answering a 2.4 kB body over TLS to `wrk -t1 -c16`.

Absolute figures move with the machine. `docs/benchmarks.md` quotes each beside this one, measured in the same run; on
the machine where upstream's figures were taken it did 22,400 requests/s.

usage: bench/calibrator.py [--seconds N]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

UPSTREAM_MACHINE = 22_400
SERVER = """
import asyncio, ssl, sys, uvloop
from aiohttp import web
BODY = b"x" * 2400
async def answer(request):
    return web.Response(body=BODY, content_type="application/json")
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


def measure(seconds: int = 5) -> float:
    """Requests per second of the calibrating server on this machine now."""
    from sampan.aio.clock import SystemClock
    from sampan.cluster.certificates import Authority, Identity

    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder), SystemClock())
        files = authority.ensure(Identity(file="server", user="calibrator", hosts=("127.0.0.1",)))
        server = subprocess.Popen([sys.executable, "-c", SERVER, *map(str, files)], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            port = int(server.stdout.readline())
            return wrk(f"https://127.0.0.1:{port}/", seconds=seconds, threads=1, connections=16)
        finally:
            server.terminate()
            server.wait()
            if server.stdout:
                server.stdout.close()


def wrk(url: str, *arguments: str, seconds: int, threads: int, connections: int) -> float:
    """Requests per second that wrk reports; AssertionError when answers were not 2xx."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", *arguments, url]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in shown, shown
    found = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    assert found, shown
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    rate = measure(parser.parse_args().seconds)
    share = rate / UPSTREAM_MACHINE
    print(f"calibrator: {rate:,.0f} requests/s, {share:.2f} of the reference machine's {UPSTREAM_MACHINE:,}")


if __name__ == "__main__":
    main()
