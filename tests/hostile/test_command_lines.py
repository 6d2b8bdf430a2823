"""Command lines of any words, and items of any bytes: success or one clear line, and nothing run that was not asked."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.cli.arguments import SUMMARIES, parser_for
from tests.cli.driver import CommandLine
from tests.hostile.checks import decent, refused
from tests.hostile.effort import tries
from tests.hostile.limits import bounded
from tests.hostile.names import IN_ARGV

OPTIONS = sorted({word for name in SUMMARIES for action in parser_for(name)._actions for word in action.option_strings})
WORDS = st.one_of(
    st.sampled_from(OPTIONS),
    st.sampled_from(sorted(SUMMARIES)),
    st.sampled_from([name[:2_000] for name in IN_ARGV.values()]),
    st.sampled_from(["r", "x.db", "-", "--", ":::", "::::", "0", "1", "80%", "1e9", "9" * 30, "10m", "all", "true"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)


def harmless(words: list[str]) -> list[str]:
    """Let nothing be run: whatever `map` and `run` are to do, they are to do it in words alone."""
    return [*words[:1], "--dry-run", *words[1:]] if words[:1] in (["map"], ["run"]) else words


@given(name=st.sampled_from(sorted(SUMMARIES)), words=st.lists(WORDS, max_size=6))
@tries(150)
def test_any_words(name: str, words: list[str]) -> None:
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        decent(cli.ask(*harmless([name, *words])))
        assert not (cli.folder / "owned").exists()


@given(words=st.lists(WORDS, max_size=4))
@tries(50)
def test_any_words_without_a_command_of_ours(words: list[str]) -> None:
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        decent(cli.ask(*harmless(words)))


ARGUMENTS = st.one_of(WORDS, st.floats().map(str), st.integers().map(str), st.from_regex(r"[0-9]{0,3}[dhms%.]{0,2}"))


@given(
    option=st.sampled_from(["--threshold", "--max-failures", "--timeout", "--deadline", "--retries", "-j", "--id"]),
    value=ARGUMENTS,
)
@tries(150)
def test_any_value_of_an_option(option: str, value: str) -> None:
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        done = cli.ask("map", "--dry-run", f"{option}={value}", "true", ":::", "1", "2")
        decent(done)
        assert done.status in (0, 2)


@example(value="--")
@given(value=st.one_of(ARGUMENTS, st.datetimes().map(str), st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T?[0-9:+Z]{0,9}")))
@tries(100)
def test_any_point_in_time(value: str) -> None:
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        done = cli.ask("status", "r", f"--at={value}")
        decent(done)
        assert done.status in (2, 4)


TEMPLATES = st.lists(
    st.sampled_from(
        [
            *(
                "{}",
                "{/}",
                "{//}",
                "{.}",
                "{/.}",
                "{#}",
                "'",
                '"',
                "\\",
                "`",
                "$(",
                ")",
                "$((",
                "))",
                "${",
                "}",
                "<<",
                "\n",
            ),
            *(
                " ",
                "a",
                ";",
                "&",
                "|",
                "#",
                "$x",
                "sh -c ",
                "eval ",
                "trap ",
                "case ",
                "in ",
                "esac",
                "$'",
                "(",
                "!",
                "=",
                "~",
                "*",
            ),
        ]
    ),
    max_size=12,
).map("".join)


@given(template=TEMPLATES, item=st.sampled_from(list(IN_ARGV.values())))
@tries(200)
def test_any_template(template: str, item: str) -> None:
    with TemporaryDirectory() as folder, CommandLine(Path(folder)) as cli:
        done = cli.ask("map", "--dry-run", "--json", "--", template, ":::", item)
        decent(done)
        if done.status == 0:
            assert isinstance(json.loads(done.output)["command"], str)


@pytest.mark.parametrize("what", IN_ARGV)
def test_a_command_that_looks_like_an_option_is_not_run(cli: CommandLine, what: str) -> None:
    done = cli.ask("map", f"--{IN_ARGV[what]} touch owned", "true", ":::", "1")
    assert done.status == 2
    refused(done)
    assert list(cli.folder.iterdir()) == []


ITEMS: dict[str, tuple[bytes, int]] = {
    "nothing at all": (b"", 0),
    "no newline at the end": (b"a\nb", 0),
    "bytes that are no text": (b"\xff\xfe\n\x80\n", 0),
    "escapes": (b"\x1b[2J\n\x9b31m\n", 0),
    "a NUL": (b"a\0b\n", 1),
    "a line of 10 MB": (b"x" * 10_000_000 + b"\n", 1),
    "10 MB without a newline": (b"x" * 10_000_000, 1),
    "a line that no process can be given": (b"x" * 200_000 + b"\n", 1),
    "carriage returns": (b"a\r\nb\r\n", 0),
}


@pytest.mark.parametrize("what", ITEMS)
def test_items_of_any_bytes(cli: CommandLine, what: str) -> None:
    items, status = ITEMS[what]
    done = bounded(cli, "map", "test -n {}", items=items)
    decent(done)
    assert done.status == status
    assert "item_bytes_max" in done.errors or "10 MB" not in what


def test_items_without_end_come_to_an_end(cli: CommandLine) -> None:
    """`yes | orchestrator map ...` is ended by the limit on children, here a small one, not by the kernel."""
    program = (
        "from events.limits import Limits; import events.limits\n"
        "events.limits.DEFAULT_LIMITS = Limits(children_max=100)\n"
        "import subprocess, os; os.dup2(subprocess.Popen(['yes'], stdout=-1).stdout.fileno(), 0)"
    )
    done = cli.python(program, "map", "true")
    assert done.status == 1
    decent(done)
    assert "children_max of 100" in done.errors


def test_real_processes_with_bytes_that_are_no_text(cli: CommandLine) -> None:
    name = IN_ARGV["C1 as bytes"] + IN_ARGV["window title"]
    decent(cli.run("map", "--dry-run", "echo", ":::", name))
    decent(cli.run("status", name))
