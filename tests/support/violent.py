"""Tasks that a worker process finds by itself, and what they do to it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from actors.executors.process_frames import ENDED, frame
from orchestrator import Child, Orchestrator, Parallel, current_child, task

WAIT_SECONDS = 60.0


@task(name="violent.double", executor="processes")
def double(x: int) -> int:
    return 2 * x


@task(name="violent.who", executor="processes")
def who() -> dict[str, Any]:
    """Tell which process this is, and what it looks like from inside."""
    child = current_child()
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "ids": [child.parent_id, child.id, child.attempt],
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "folder": str(Path.cwd()),
        "argv": sys.argv,
        "main_thread": threading.current_thread() is threading.main_thread(),
    }


@task(name="violent.later", executor="processes")
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@task(name="violent.fail", executor="processes")
def fail(how: str) -> None:
    """Raise one of the things that can be raised."""
    if how == "exit":
        sys.exit(7)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise ValueError(how)


@task(name="violent.give", executor="processes")
def give(size: int) -> str:
    return "x" * size


@task(name="violent.odd", executor="processes")
def odd() -> Any:
    return {1, 2}


@task(name="violent.beat", executor="processes")
def beat(times: int, gap_seconds: float = 0.0, then_seconds: float = 0.0) -> int:
    for number in range(times):
        current_child().heartbeat(progress=(number + 1) / times, message=f"{number + 1} of {times}")
        time.sleep(gap_seconds)
    time.sleep(then_seconds)
    return times


@task(name="violent.haunt", executor="processes")
def haunt(seconds: float) -> str:
    """Leave a thread behind that gives heartbeats for a while."""
    child = current_child()
    until = time.monotonic() + seconds

    def beat_on() -> None:
        while time.monotonic() < until:
            child.heartbeat(0.5, "boo")
            time.sleep(0.001)

    threading.Thread(target=beat_on).start()
    return "gone"


@task(name="violent.nap", executor="processes")
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@task(name="violent.nest", executor="processes")
def nest(x: int) -> Any:
    """Run an orchestrator with worker processes within a worker process."""
    with Orchestrator("memory:", max_workers=1) as orchestrator:
        run = orchestrator.start(Parallel(children=[double.child(x=x), Child(command="echo within")]))
        return list(run.settle(timeout=WAIT_SECONDS).outputs.values())


@task(name="violent.next_day", executor="processes")
def next_day(day: date) -> date:
    return day + timedelta(days=1)


@task(name="violent.speak", executor="processes")
def speak(text: str) -> None:
    print(text)


@task(name="violent.wait_for", executor="processes")
def wait_for(path: str, begun: str = "", *, listen: bool = True) -> str:
    """Wait for a file; say that we began by another one, which gets our process id."""
    if begun:
        write_pid(begun)
    deadline = time.monotonic() + WAIT_SECONDS
    while not Path(path).exists():
        if listen and current_child().cancelled.wait(0.005):
            raise RuntimeError("stopped as asked")
        time.sleep(0.005)
        if time.monotonic() > deadline:
            raise TimeoutError(path)
    return path


@task(name="violent.segfault", executor="processes")
def segfault() -> None:
    ctypes.string_at(0)


@task(name="violent.leave", executor="processes")
def leave(status: int) -> None:
    os._exit(status)


@task(name="violent.kill", executor="processes")
def kill(number: int) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait(WAIT_SECONDS)


@task(name="violent.stop", executor="processes")
def stop(begun: str = "") -> None:
    """Stop: no thread of this process runs any more."""
    if begun:
        write_pid(begun)
    os.kill(os.getpid(), signal.SIGSTOP)


@task(name="violent.hog", executor="processes")
def hog(begun: str = "") -> None:
    """Be in code that lets no other thread run, for ever."""
    if begun:
        write_pid(begun)
    re.match(r"(a+)+$", "a" * 80 + "b")


@task(name="violent.once", executor="processes")
def once(begun: str, how: str) -> str:
    """Stop, or let no other thread run, for ever, unless somebody was here before."""
    if not Path(begun).exists():
        write_pid(begun)
        (stop if how == "stop" else hog).function("")
    return how


@task(name="violent.eat", executor="processes")
def eat() -> int:
    """Run out of memory."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = used + 64 * 1_048_576
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    kept = []
    while True:
        kept.append(bytearray(4 * 1_048_576))


@task(name="violent.close_all", executor="processes")
def close_all() -> None:
    """Close every descriptor but the standard ones, as daemons do."""
    os.closerange(3, 1_000)
    threading.Event().wait(WAIT_SECONDS)


@task(name="violent.replace_all", executor="processes")
def replace_all(path: str) -> str:
    """Put a file of our own in the place of every socket, and go on."""
    with Path(path).open("wb") as file:
        for number in sockets():
            os.dup2(file.fileno(), number)
    return "done"


@task(name="violent.garble", executor="processes")
def garble(text: str) -> None:
    """Write something else to every socket there is."""
    for number in sockets():
        with contextlib.suppress(OSError):
            os.write(number, text.encode())
    threading.Event().wait(WAIT_SECONDS)


@task(name="violent.forge", executor="processes")
def forge(number: int, told: Any) -> None:
    """Write what a worker might say to every socket there is."""
    for descriptor in sockets():
        with contextlib.suppress(OSError):
            os.write(descriptor, frame(ENDED, number, told))
    threading.Event().wait(WAIT_SECONDS)


@task(name="violent.bear", executor="processes")
def bear(begun: str, *, how: str) -> None:
    """Leave a process behind, which gets its process id into a file, and end the way that is asked for."""
    if how == "fork":
        if os.fork() == 0:
            write_pid(begun)
            threading.Event().wait(WAIT_SECONDS)
    else:
        with subprocess.Popen(
            [sys.executable, "-c", f"import time; time.sleep({WAIT_SECONDS})"],
            process_group=0 if how == "group" else None,
        ) as process:
            Path(begun).write_text(f"{process.pid}\n")
            threading.Event().wait(WAIT_SECONDS)
    threading.Event().wait(WAIT_SECONDS)


@task(name="violent.forked", executor="processes")
def forked() -> str:
    """Fork, and let both return."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return "parent" if pid else "child"


@task(name="violent.unruly", executor="processes")
def unruly(path: str) -> int:
    """Crash at the first two attempts, and say each time that we were there."""
    with Path(path).open("a") as file:
        file.write("x")
    if current_child().attempt <= 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return current_child().attempt


def sockets() -> list[int]:
    """Return the descriptors of this process that are sockets."""
    found = []
    for number in range(3, 100):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode) and socket.socket(fileno=os.dup(number)).family:
                found.append(number)
    return found


def write_pid(path: str) -> None:
    """Put our process id into a file, whole or not at all."""
    Path(f"{path}.new").write_text(f"{os.getpid()}\n")
    Path(f"{path}.new").rename(path)
