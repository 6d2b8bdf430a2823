"""Plays a page of the documentation: `python -m tests.docs.player PAGE`, in an empty folder.

Blocks run in their order, in one folder, as a reader would run them:

- `python` blocks share one namespace. One that begins with a line such as `# tasks.py` is a module of that name
  instead: it is saved and imported. An `output` block after a `python` block is what it must print.
- In `console` blocks every line after `$ ` is a command, run by /bin/sh, and what stands below it is what it must
  print; a command that shows nothing may print anything. It must exit with 0, or be followed by `$ echo $?`.
- `yaml` blocks begin with their file's name, `# nightly.yaml`, and are saved under it.
- `json` blocks are JSON, whole or one value a line; `mermaid` blocks are diagrams; `text` blocks are free.

In what is shown, `...` stands for anything within a line, or for any lines where it stands alone. Several blanks
count as one: how wide a column is depends on what stands in it.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tests.docs.pages import Block, blocks

LEFT_TO_THE_READER = ("make", "pip")
"""Commands that set up a machine; everything else in a console block is run."""
COMMAND_SECONDS = 60.0
DIAGRAMS = ("stateDiagram-v2", "sequenceDiagram", "flowchart")


class WrongError(Exception):
    """A page says something that is not so."""


class Player:
    """Plays the blocks of one page."""

    def __init__(self) -> None:
        self._namespace: dict[str, Any] = {"__name__": "__main__"}
        self._printed: str | None = None
        """What the python block just before has printed."""
        self._environment = _environment()

    def play(self, block: Block) -> None:
        """Play one block. Raises WrongError, or whatever its code raises."""
        printed, self._printed = self._printed, None
        if block.language == "python":
            self._printed = self._python(block)
        elif block.language == "output":
            if printed is None:
                raise WrongError("an output block follows on a python block")
            check_output(block.text, printed)
        elif block.language == "console":
            self._console(block)
        elif block.language == "yaml":
            _save(block, ".yaml")
        elif block.language == "json":
            _check_json(block.text)
        elif block.language == "mermaid":
            if not block.text.startswith(DIAGRAMS) or block.text.count("\n") < 3:
                raise WrongError("no diagram")
        elif block.language != "text":
            raise WrongError(f"a block in {block.language or 'no language'}: nobody checks those")

    def _python(self, block: Block) -> str:
        if re.match(r"# \w+\.py\n", block.text):
            importlib.import_module(_save(block, ".py").stem)
            return ""
        code = compile("\n" * (block.line - 1) + block.text, "<page>", "exec", dont_inherit=True)
        with redirect_stdout(io.StringIO()) as out:
            exec(code, self._namespace)  # noqa: S102 - running the documentation is the point
        return out.getvalue()

    def _console(self, block: Block) -> None:
        status = 0
        steps = _steps(block.text)
        for index, (command, shown) in enumerate(steps):
            if command.split()[0] in LEFT_TO_THE_READER:
                continue
            if command == "echo $?":
                printed = f"{status}\n"
            else:
                status, printed = self._command(command)
            follows = steps[index + 1][0] if index + 1 < len(steps) else ""
            if status != 0 and follows != "echo $?" and command != "echo $?":
                raise WrongError(f"$ {command}\nexit status {status}, {printed}")
            if shown:
                check_output(shown, printed, command)

    def _command(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        return done.returncode, done.stdout


def check_output(shown: str, printed: str, command: str = "") -> None:
    """Compare what a page shows with what was printed. Raises WrongError."""
    pattern = "".join(_line_pattern(line) for line in _plain_lines(shown.rstrip("\n")))
    text = "".join(f"{line}\n" for line in _plain_lines(printed))
    if not re.fullmatch(pattern, text):
        raise WrongError(f"$ {command}\nshown:\n{shown}\nprinted:\n{printed}")


def _plain_lines(text: str) -> list[str]:
    return [re.sub(r"[ \t]+", " ", line).rstrip() for line in text.splitlines()]


def _line_pattern(line: str) -> str:
    if line.strip() == "...":
        return r"(?:.*\n)*?"
    return ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"


def _steps(text: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with what is shown below it."""
    steps: list[tuple[str, str]] = []
    continued = False
    for line in text.splitlines(keepends=True):
        if continued:
            steps[-1] = (f"{steps[-1][0]}\n{line.rstrip()}", "")
        elif line.startswith("$ "):
            steps.append((line[2:].rstrip(), ""))
        elif not steps:
            raise WrongError("a console block begins with a command: $ ...")
        else:
            steps[-1] = (steps[-1][0], steps[-1][1] + line)
        continued = (continued or line.startswith("$ ")) and line.rstrip().endswith("\\")
    return steps


def _save(block: Block, suffix: str) -> Path:
    found = re.match(rf"# ([\w-]+{re.escape(suffix)})\n", block.text)
    if found is None:
        raise WrongError(f"the block does not begin with its file's name, such as # plan{suffix}")
    path = Path(found[1])
    path.write_text(block.text, encoding="utf-8")
    return path


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


def _environment() -> dict[str, str]:
    """Return an environment in which `orchestrator` and `python` are those of this very interpreter."""
    scripts = Path.cwd() / ".bin"
    scripts.mkdir()
    for name, arguments in (("orchestrator", " -W error -m orchestrator"), ("python", " -W error")):
        script = scripts / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "ORCHESTRATOR_STORE"}
    return {**kept, "PATH": f"{scripts}{os.pathsep}{kept.get('PATH', '')}", "COLUMNS": "100"}


def main() -> int:
    """Play the page that is named on the command line. Exit status 1 where something in it is not so."""
    page = Path(sys.argv[1])
    unraised: list[str] = []
    sys.unraisablehook = lambda unraisable: unraised.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")
    sys.path.insert(0, str(Path.cwd()))
    warnings.simplefilter("error")
    player = Player()
    for block in blocks(page):
        try:
            player.play(block)
        except Exception as error:  # noqa: BLE001 - whatever a page's code raises, the page is wrong
            print(f"{page}:{block.line}: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    if unraised:
        print(f"{page}: {unraised}", file=sys.stderr)
    return 1 if unraised else 0


if __name__ == "__main__":
    sys.exit(main())
