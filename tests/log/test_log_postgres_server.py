"""The private server of the tests ends with whoever started it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.postgres_server import Postgres
from tests.support.waiting import until

CODE = """
import sys
from pathlib import Path
from tests.support.postgres_server import Postgres
print(Postgres(Path(sys.argv[1])).folder, flush=True)
sys.stdin.read()
"""


def test_a_killed_session_leaves_no_server_behind(postgres_server: Postgres) -> None:
    command = [sys.executable, "-c", CODE, str(postgres_server.binaries)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as session:
        assert session.stdout is not None
        folder = Path(session.stdout.readline().strip())
        number = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        assert Path(f"/proc/{number}").exists()
        session.send_signal(signal.SIGKILL)
    until(lambda: not folder.exists(), what=lambda: f"{folder} to be removed")
    assert not Path(f"/proc/{number}").exists()
