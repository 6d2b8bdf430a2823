"""A private Redis on a socket, for the queues that need one: as it comes, with nothing on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "BENCHMARK_REDIS"
"""Which variable of the environment tells workers the path of the socket."""


@contextmanager
def redis_server() -> Iterator[Path]:
    """Start it; yield the path of its socket, which is in the environment too; and end it."""
    command = shutil.which("redis-server")
    if command is None:
        raise SystemExit("redis-server is not installed (Debian: apt install redis-server)")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:  # the path of a socket must be short
        socket = Path(folder) / "socket"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([command, *options], stdout=subprocess.DEVNULL) as server:
            try:
                until = time.monotonic() + 30
                while not socket.exists():
                    if server.poll() is not None or time.monotonic() > until:
                        raise SystemExit("redis-server did not start")
                    time.sleep(0.01)
                os.environ[VARIABLE] = str(socket)
                yield socket
            finally:
                server.terminate()
