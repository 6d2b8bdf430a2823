"""Runs one private PostgreSQL server for as long as somebody holds its standard input open, then removes all of it.

So nothing is left behind when the tests end, however they end. Commands come as lines: `stop`, `start`, `crash`.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

NOBODY = 65534
"""The server refuses to run as root."""
SECONDS_MAX = 60.0

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "log_min_messages": "fatal",
    "restart_after_crash": "on",
}
ACCESS = """\
local all guarded scram-sha-256
local all all trust
"""


class Server:
    """One server with a data folder and a socket of its own."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self.binaries = binaries
        self.identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self.process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        if self.identity:
            os.chown(self.folder, NOBODY, NOBODY)
            if not all(folder.stat().st_mode & stat.S_IXOTH for folder in self.binaries.resolve().parents):
                self.binaries = self._reachable()
        command: list[str | Path] = [
            *(self.binaries / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        ]
        self._run(command)
        (self.folder / "data" / "pg_hba.conf").write_text(ACCESS)

    def _reachable(self) -> Path:
        """Copy the server to where nobody can run it: a clone may lie in a folder that is root's alone."""
        install, package = self.binaries.parent, self.binaries.parents[1]
        libraries = package.with_name(f"{package.name}.libs")
        for found in (install, libraries):  # the one finds the other by where it stands
            shutil.copytree(found, self.folder / found.relative_to(package.parent), symlinks=True)
        return self.folder / self.binaries.relative_to(package.parent)

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(  # type: ignore[call-overload]
            command, cwd=self.folder, env={}, capture_output=True, text=True, **self.identity
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                [self.binaries / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings],
                cwd=self.folder, env={}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.identity,
            )  # fmt: skip
        deadline = monotonic() + SECONDS_MAX
        while subprocess.run([self.binaries / "pg_isready", "-q", "-h", self.folder], env={}).returncode:
            if self.process.poll() is not None or monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2_000:])
            sleep(0.01)

    def stop(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(SECONDS_MAX)
            self.process = None


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-pg-", dir=sys.argv[2]))
    server = Server(folder, Path(sys.argv[1]))
    try:
        server.make()
        server.start()
        print(folder, flush=True)
        for line in sys.stdin:
            if line.strip() == "start":
                server.start()
            else:
                server.stop(signal.SIGQUIT if line.strip() == "crash" else signal.SIGINT)
            print("done", flush=True)
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    main()
