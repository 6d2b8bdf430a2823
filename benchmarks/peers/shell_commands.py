"""xargs, and GNU parallel with its job log: each job is `true`, cold start included.

xargs keeps nothing. GNU parallel writes a line of text when a job ends.
"""

from __future__ import annotations

import shutil
import subprocess
import time

from benchmarks.job import Job, given, report


def command(job: Job, items: list[str]) -> list[str]:
    """Return the command. Raises SystemExit where it is not there; another program named `parallel` is none."""
    found = shutil.which("xargs" if job.how == "xargs" else "parallel")
    if found is None:
        raise SystemExit(
            f"{job.how} is not installed" + (" (Debian: apt install parallel)" if job.how != "xargs" else "")
        )
    if job.how == "xargs":
        return [found, "-P", str(job.workers), "-n", "1", "true"]
    version = subprocess.run([found, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not version.stdout.startswith("GNU parallel"):
        raise SystemExit("the program named parallel is not GNU parallel (Debian: apt install parallel)")
    return [found, f"-j{job.workers}", "--joblog", str(job.folder / "jobs.log"), "true", ":::", *items]


def main() -> None:
    """Measure."""
    job = given()
    items = [str(number + 1) for number in range(job.children)]
    whole = command(job, items)
    began = time.perf_counter()
    subprocess.run(whole, input="\n".join(items), text=True, stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - began
    if job.how != "xargs":
        done = len((job.folder / "jobs.log").read_text(encoding="utf-8").splitlines()) - 1
        if done != job.children:
            raise SystemExit(f"GNU parallel did {done} of {job.children} jobs")
    report({"seconds": seconds})


if __name__ == "__main__":
    main()
