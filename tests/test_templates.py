"""Command templates: whatever the item and wherever it stands, the command receives its very bytes."""

from __future__ import annotations

import io
import itertools
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from events.errors import LimitExceededError, OrchestratorError, UsageError
from orchestrator.templates import Template, split_items

FRAGMENTS = [
    "'", '"', "\\", "`", "$(id)", "`id`", "$x", "${x}", "$((1))", "$'", "\n", " ", "\t", "\r", "*", "?", "[a]", "~",
    "-", "--", "#", ";", "&", "&&", "|", "<", ">", "(", ")", "{", "}", "{}", "{a,b}", "!", "!!", "2", "1", "A=b", "if",
    "done", "x,y", "%s", "%", "é", "\u2028", "日本", "\udcff", "\udc81", "\udc82", "\udc88", "\udcc3", "\x01", "\x1b",
    "\x7f", "\\\n", "\\\\", "EOF", "/", ".", "..", "touch pwned", "",
]  # fmt: skip

HOSTILE = ["a b'; touch pwned #", "$(id)", "two\nlines", "-rf", "", "2", "if", "A=b", "a\\", "'", '"', "`id`", "\udcff"]

items = st.lists(st.sampled_from(FRAGMENTS), max_size=7).map("".join)

SHOW = r"printf '%s\0' "

CONTEXTS: list[tuple[str, str]] = [
    (r"printf '%s\0'", "{}"),
    (SHOW + "{}", "{}"),
    (SHOW + "a{}b", "a{}b"),
    (SHOW + "{}{}", "{}{}"),
    (SHOW + "{}>&1", "{}"),
    (SHOW + "'a{}b'", "a{}b"),
    (SHOW + "'{}'{}", "{}{}"),
    (SHOW + '"a{}b"', "a{}b"),
    (SHOW + '"{}{}"', "{}{}"),
    ("x=1; " + SHOW + '"$x{}$x"', "1{}1"),
    ("x=1; " + SHOW + "$x{}$x", "1{}1"),
    ("x=1; " + SHOW + '"${x}{}"', "1{}"),
    ("x=1; " + SHOW + '"$x\\\n{}"', "1{}"),
    (SHOW + '"a\\{}"', "a\\{}"),
    (SHOW + '"a\\\\{}"', "a\\{}"),
    (SHOW + '"\\"{}\\""', '"{}"'),
    (SHOW + '"\\${}"', "${}"),
    (SHOW + "\\${}", "${}"),
    (SHOW + "'\\{}'", "\\{}"),
    (SHOW + "\\\\{}", "\\{}"),
    (SHOW + "a\\\n{}", "a{}"),
    (SHOW + "\\\n{}\\\n", "{}"),
    (SHOW + '"it\'s {}"', "it's {}"),
    (SHOW + "'say \"{}\"'", 'say "{}"'),
    (SHOW + "\"$(printf '%s.' {})\"", "{}."),
    (SHOW + "\"$(printf '%s.' '{}')\"", "{}."),
    (SHOW + '"$(printf "%s." "{}")"', "{}."),
    (SHOW + '"$(printf "%s." "$( (printf "%s," "a{}") )" "{}")"', "a{},.{}."),
    (SHOW + '"$(: "(" \')\' \\) # it\'s )\nprintf %s. {})"', "{}."),
    (SHOW + '"$( (:); printf "%s." {})"', "{}."),
    (SHOW + "\"`printf '%s'`\"{}", "{}"),
    (SHOW + '"$((1 + (2)))"{}', "3{}"),
    (SHOW + '"${y:-$(printf "%s." {})}"', "{}."),
    ("( " + SHOW + "{} )", "{}"),
    ("{ " + SHOW + "{}; }", "{}"),
    ("x={}; " + SHOW + '"$x"', "{}"),
    ("for x in {}; do " + SHOW + '"$x"; done', "{}"),
    ("show() { " + SHOW + '"$1"; }; show {}', "{}"),
    ("case {} in {}) " + SHOW + "{};; esac", "{}"),
    ("(case a in a) " + SHOW + '"{}";; esac)', "{}"),
    ("# don't {}\n" + SHOW + '{} # {} "', "{}"),
    ("set -- {}; " + SHOW + '"$1$#"', "{}1"),
    (SHOW + "# the item goes before this", "{}"),
    (SHOW + " \\\n", "{}"),
    (SHOW + "{} | cat", "{}"),
    ("printf '%s\\0' {}&wait", "{}"),
    ('sh -c \'printf "%s\\0" "$1"\' sh {}', "{}"),
    ("IFS=,; " + SHOW + "{}", "{}"),
]


SHELLS = [["/bin/sh"], *([shell, "--posix"] for shell in [shutil.which("bash")] if shell)]
"""What runs our commands, and what /bin/sh is on other systems."""


def run(shell: list[str], command: str, folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*shell, "-c", command], capture_output=True, stdin=subprocess.DEVNULL, cwd=folder)


def received(command: str, folder: Path | None = None, shell: list[str] = SHELLS[0]) -> bytes:
    ended = run(shell, command, folder)
    assert (ended.returncode, ended.stderr) == (0, b""), command
    return ended.stdout


@pytest.mark.parametrize(("template", "expected"), CONTEXTS)
def test_hostile_items_are_data_everywhere(template: str, expected: str, tmp_path: Path) -> None:
    prepared = Template(template)
    for item, shell in itertools.product(HOSTILE, SHELLS):
        command, data = prepared.command(item, 0), os.fsencode(expected.replace("{}", item)) + b"\0"
        assert received(command, tmp_path, shell) == data
    assert list(tmp_path.iterdir()) == []


@given(context=st.sampled_from(CONTEXTS), item=items, shell=st.sampled_from(SHELLS))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_item_is_data_everywhere(context: tuple[str, str], item: str, shell: list[str], tmp_path: Path) -> None:
    template, expected = context
    command, data = Template(template).command(item, 0), os.fsencode(expected.replace("{}", item)) + b"\0"
    assert received(command, tmp_path, shell) == data
    assert list(tmp_path.iterdir()) == []


PARTS = [
    "'", '"', "\\", "`", "$(printf %s ", "$( (printf %s ", "(printf %s ", ")", "$y", "${y}", "${", "}", "$((1+", "))",
    "$'", "$", "#", " ", "\n", "\\\n", "a", "{}", "{}", "{}", "'{}'", '"{}"', ";", "printf '%s|' ", "case a in a) ",
    "esac", "eval ", "trap ", "sh -c ", "<<E\n", "E\n", "\\{}", "{#}", "&&", "||", "!",
]  # fmt: skip
MARK = "XqX"
TRICKY = "a';\"$(id)`id`$y${y}\\#{}&|(<>)"
"""All that shells read specially but blanks and globs, at which they split what an unquoted $(...) prints."""


@given(tail=st.lists(st.sampled_from(PARTS), min_size=1, max_size=14).map("".join), shell=st.sampled_from(SHELLS))
@example(tail='"$(case a in a) printf %s {};; esac)"', shell=SHELLS[0])
@example(tail='"$(printf %s "$(printf %s {})" \'{}\' # )\n)" {}', shell=SHELLS[-1])
@settings(max_examples=1_500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_template_is_refused_or_keeps_an_item_data(tail: str, shell: list[str], tmp_path: Path) -> None:
    text = "y=v; printf '%s|' " + tail
    assume("$$" not in text)  # a process id differs from run to run
    try:
        template = Template(text)
    except UsageError:
        return
    tame = run(shell, template.command(MARK, 4), tmp_path)
    assume(tame.returncode == 0 and not tame.stderr)
    wild = run(shell, template.command(TRICKY, 4), tmp_path)
    assert (wild.returncode, wild.stdout, wild.stderr) == (
        0,
        tame.stdout.replace(MARK.encode(), TRICKY.encode()),
        b"",
    ), (text, template.command(TRICKY, 4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "template",
    ["awk '{print $1}' {}", "echo {a,b} ${x} {} {} x", "find {} -exec ls \\{} \\;", "echo ${#} {}", "echo {x} { } {}"],
)
def test_the_rest_of_a_template_is_left_untouched(template: str) -> None:
    expected = template.replace("\\{}", "\0").replace("{}", "item").replace("\0", "\\{}")
    assert Template(template).command("item", 0) == expected


@pytest.mark.parametrize(
    ("template", "command"),
    [
        ("gzip -k", "gzip -k 'a b'"),
        ("gzip -k  ", "gzip -k 'a b'  "),
        ("cd x\ngzip\n", "cd x\ngzip 'a b'\n"),
        ("gzip # well", "gzip 'a b' # well"),
        ("awk '{print $1}'", "awk '{print $1}' 'a b'"),
        ("echo ${x} {a,b}", "echo ${x} {a,b} 'a b'"),
        ("echo \\{}", "echo \\{} 'a b'"),
        ("sort <", "sort < 'a b'"),
    ],
)
def test_a_command_that_names_no_item_gets_it_appended(template: str, command: str) -> None:
    assert Template(template).command("a b", 0) == command


@pytest.mark.parametrize("template", ["make;", "make &", "true ||", "a | ", "(make)", "# nothing", "make\n;"])
def test_an_item_is_never_appended_where_it_would_be_a_command(template: str) -> None:
    with pytest.raises(UsageError, match="no place for an item at its end"):
        Template(template)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("echo \0{}", "NUL"),
        ("echo '{}", "' that is never closed"),
        ('echo "{}', '" that is never closed'),
        ('echo "a', '" that is never closed'),
        ("echo `id {}", "` that is never closed"),
        ("echo $(id {}", "parenthesis that is never closed"),
        ("echo {}\\", "ends with a backslash"),
        ("echo `id {}`", "inside backticks"),
        ('echo "`id {}`"', "inside backticks"),
        ("echo `id '{}'`", "inside backticks"),
        ("echo $'a{}'", "not read alike"),
        ("echo $'a\\'' {}", "not read alike"),
        ("echo ${}", "directly after a dollar sign"),
        ('echo "${/}"', "directly after a dollar sign"),
        ("echo ${x:-{}}", "can hold no quotes, braces and placeholders"),
        ("echo \"${x:-'a'}\" {}", "can hold no quotes"),
        ("cat <<EOF\n{}\nEOF", "here-document"),
        ("cat <<-EOF >{}\nEOF\n", "here-document"),
        ("cat <<< {}", "here-document"),
        ("echo $(({}+1))", "can hold numbers"),
        ("echo $((1+1) {}", "can hold numbers"),
        ("echo $(('1')) {}", "can hold numbers"),
        ("echo $((1", "can hold numbers"),
        ("echo $[{}]", "read in two ways"),
        ("((x={}))", "read in two ways"),
        ('echo "$(case a in a) echo {};; esac)"', "'case' inside parentheses"),
        ("echo $\\\n{} {}", "middle of an operator"),
        ("echo " + "$(" * 100 + "{}" + ")" * 100, "nested more than 40"),
        ("sh -c 'echo {}'", "another interpreter runs"),
        ("sh -c echo\\ {}", "another interpreter runs"),
        ('timeout 5 bash -o pipefail -ec "gzip {}"', "another interpreter runs"),
        ("/bin/sh -c \"echo $(printf '%s' {})\"", "another interpreter runs"),
        ("su nobody -c 'ls {}'", "another interpreter runs"),
        ("python3 -c 'print(\"{}\")'", "another interpreter runs"),
        ("perl -pe 's/x/{}/'", "another interpreter runs"),
        ("eval echo {}", "another interpreter runs"),
        ("cd x; eval 'echo {}'", "another interpreter runs"),
        ("eval echo", "another interpreter runs"),
        ('eval "a;b" echo {}', "another interpreter runs"),
        ("eval \\\n'echo {}'", "another interpreter runs"),
        ("{ command eval 'echo {}'; }", "another interpreter runs"),
        ("if eval 'test {}'; then true; fi", "another interpreter runs"),
        ("watch 'ls {}'", "another interpreter runs"),
        ("flock lock -c 'ls {}'", "another interpreter runs"),
        ("script -qc 'ls {}' /dev/null", "another interpreter runs"),
        ("trap 'rm -f {}' EXIT; true", "the shell runs later"),
        ("trap 'rm -f {}.tmp' EXIT; sort {}", "the shell runs later"),
        ('cd x && trap "a;b" {}', "the shell runs later"),
        ('(trap "rm -f {}" EXIT; true)', "the shell runs later"),
        ("! trap \\\n{} EXIT", "the shell runs later"),
        ("x=$(trap 'rm {}' EXIT; date)", "the shell runs later"),
        ("alias l='ls {}'", "the shell runs later"),
    ],
)
def test_what_cannot_be_made_safe_is_refused(template: str, reason: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]+$") as refusal:
        Template(template)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    "template",
    [
        "sh -c {}",
        "sh -c '{}'",
        'bash -lc "{}"',
        "eval {}",
        "sh {} -c x",
        "echo sh -c {} {}",
        "sh run -c={}",
        "item={}; trap 'rm -f \"$item\"' EXIT; cat {}",
        "echo trap {}",
        "ls watch {}",
        "flock lock gzip {}",
    ],
)
def test_items_that_are_programs_by_intention_are_allowed(template: str) -> None:
    assert Template(template).command("true", 0)


@pytest.mark.parametrize(
    ("item", "base", "folder", "stem", "base_stem"),
    [
        ("a/b.tar.gz", "b.tar.gz", "a", "a/b.tar", "b.tar"),
        ("b.c", "b.c", ".", "b", "b"),
        ("/b.c", "b.c", "/", "/b", "b"),
        ("//a", "a", "/", "//a", "a"),
        ("a//b", "b", "a", "a//b", "b"),
        ("d.e/f", "f", "d.e", "d.e/f", "f"),
        ("a/b/", "b", "a", "a/b/", "b"),
        ("a.d/", "a.d", ".", "a.d/", "a"),
        ("/", "/", "/", "/", "/"),
        ("//", "/", "/", "//", "/"),
        ("", "", ".", "", ""),
        (".bashrc", ".bashrc", ".", ".bashrc", ".bashrc"),
        ("d/.x.y", ".x.y", "d", "d/.x", ".x"),
        ("a.", "a.", ".", "a", "a"),
        ("..", "..", ".", "..", ".."),
        ("a b/c d.e", "c d.e", "a b", "a b/c d", "c d"),
        ("a\n.b/c\n.d", "c\n.d", "a\n.b", "a\n.b/c\n", "c\n"),
        ("\udcff/\udcfe.x", "\udcfe.x", "\udcff", "\udcff/\udcfe", "\udcfe"),
    ],
)
def test_the_parts_of_an_item(item: str, base: str, folder: str, stem: str, base_stem: str) -> None:
    command = Template(SHOW + "{/} {//} {.} {/.} {} {#}").command(item, 6)
    parts = (base, folder, stem, base_stem, item, "7")
    assert received(command) == b"".join(os.fsencode(part) + b"\0" for part in parts)


@given(items.filter(lambda item: item.strip("/") and not item.startswith("-") and not item.endswith("\n")))
@settings(max_examples=60, deadline=None)
def test_base_name_and_directory_are_those_of_the_shell(item: str) -> None:
    ours = received(Template(r"printf '%s\n%s\n' {/} {//}").command(item, 0))
    assert ours == received(f"basename -- {shlex.quote(item)}; dirname -- {shlex.quote(item)}")


def test_a_tame_item_stands_bare_and_is_quoted_where_the_shell_would_read_it_otherwise() -> None:
    assert Template("gzip -k {}").command("dir/a-1.log", 0) == "gzip -k dir/a-1.log"
    assert Template("echo {}>out").command("2", 0) == "echo '2'>out"
    assert Template("echo {#}>out").command("x", 1) == "echo '2'>out"
    assert Template("{} x").command("if", 0) == "'if' x"
    assert Template("{} x").command("PATH=y", 0) == "'PATH=y' x"
    assert Template("echo {a,{}}").command("b,c", 0) == "echo {a,'b,c'}"


def test_the_index_counts_from_one_and_can_be_reckoned_with() -> None:
    template = Template(SHOW + "{#} $(({#} % 4)) x{#}")
    assert received(template.command("unused", 4)) == b"5\x001\x00x5\x00"


def test_further_names_stand_for_the_item() -> None:
    template = Template("curl -o {/} {url} '{url}' {urls} \\{url}", also=["url"])
    assert template.command("a&b/c", 0) == "curl -o c 'a&b/c' 'a&b/c' {urls} \\{url}"
    with pytest.raises(UsageError, match="directly after a dollar sign"):
        Template("curl ${url}", also=["url"])


def test_an_item_with_a_nul_is_refused() -> None:
    with pytest.raises(UsageError, match="item 3 contains a NUL"):
        Template("echo").command("a\0b", 2)


def test_items_are_lines() -> None:
    stream = io.BytesIO(b"a b\n\n'x\r\n\xff\xe9\nlast")
    assert list(split_items(stream)) == ["a b", "", "'x\r", "\udcff\udce9", "last"]
    assert list(split_items(io.BytesIO(b""))) == []


def test_lines_that_are_no_text_reach_the_command_as_the_same_bytes() -> None:
    (item,) = split_items(io.BytesIO(b"\xff\xe9 \x81"))
    assert received(Template(SHOW).command(item, 0)) == b"\xff\xe9 \x81\0"


def test_items_may_end_with_nul_as_names_of_files_do() -> None:
    stream = io.BytesIO(b"a b\0\0two\nlines\0\xff\0last")
    assert list(split_items(stream, null=True)) == ["a b", "", "two\nlines", "\udcff", "last"]
    assert list(split_items(io.BytesIO(b"a\0"), null=True)) == ["a"]
    assert list(split_items(io.BytesIO(b""), null=True)) == []
    for text in (b"ok\0abcde\0", b"ok\0abcde", b"ok\0" + b"x" * 1_000_000):
        items = split_items(io.BytesIO(text), null=True, line_bytes_max=4)
        assert next(items) == "ok"
        with pytest.raises(LimitExceededError, match=r"item 2 .*item_bytes_max of 4 bytes"):
            next(items)


def test_lines_have_a_longest() -> None:
    assert list(split_items(io.BytesIO(b"abcd\nabcd"), line_bytes_max=4)) == ["abcd", "abcd"]
    for text in (b"ok\nabcde\n", b"ok\nabcde", b"ok\n" + b"x" * 10_000):
        lines = split_items(io.BytesIO(text), line_bytes_max=4)
        assert next(lines) == "ok"
        with pytest.raises(LimitExceededError, match=r"line 2 .*item_bytes_max of 4 bytes"):
            next(lines)


def test_a_line_with_a_nul_is_refused() -> None:
    lines = split_items(io.BytesIO(b"a\nb\0c\n"))
    assert next(lines) == "a"
    with pytest.raises(OrchestratorError, match="line 2 of the items contains a NUL"):
        next(lines)


def test_items_come_while_the_stream_is_still_open() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as source:
        source.write(b"first\n")
        assert next(split_items(stream)) == "first"
        source.write(b"second\0thi")
        assert next(split_items(stream, null=True)) == "second"
