"""`orchestrator map`: each job is `true`, cold start included; or `--help`, which only starts."""

from __future__ import annotations

import subprocess
import sys
import time
from compileall import compile_dir
from importlib.util import find_spec
from pathlib import Path

from benchmarks.job import given, report


def installed() -> list[str]:
    """Return the installed command of this interpreter, or the same by way of `-m`, compiled.

    An installation compiles what it installs. A checkout is compiled when it is first imported, unless
    `PYTHONDONTWRITEBYTECODE` is set: then every start compiles a hundred modules anew, which nobody's start does.
    """
    package = find_spec("orchestrator")
    for folder in package.submodule_search_locations or () if package is not None else ():
        compile_dir(Path(folder).parent, quiet=1)
    command = Path(sys.executable).with_name("orchestrator")
    return [str(command)] if command.exists() else [sys.executable, "-m", "orchestrator"]


def main() -> None:
    """Measure."""
    job = given()
    items = [str(number + 1) for number in range(job.children)]
    store = ["--store", str(job.folder / "runs.db"), "--quiet"]
    command = [*installed(), "map", f"-j{job.workers}", *store, "true", ":::", *items]
    began = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    report({"seconds": time.perf_counter() - began})


if __name__ == "__main__":
    main()
