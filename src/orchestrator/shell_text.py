"""Where in a shell command a placeholder stands: the quoting state of /bin/sh, followed from left to right.

What is followed are the rules that dash, bash and busybox share. Where they differ, or where text put into a place
could be read as anything but text (here-documents, backticks), the command is refused: a clear "no" is safe, a
guess is not. The commands are the user's own and trusted; what they are filled with is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from events.errors import UsageError

Place = Literal["word", "joined", "single", "double", "glued", "arithmetic"]
"""A whole word of its own; a part of an unquoted word; inside '...'; inside "..."; there, directly after `$name`,
which the text must not prolong; inside $((...))."""

PLACEHOLDERS: Final = ("{}", "{/}", "{//}", "{.}", "{/.}", "{#}")
INDEX: Final = "{#}"

SLOTS_MAX: Final = 256
"""Most placeholders of one command; before each of them the text is searched for programs."""
_DEPTH_MAX: Final = 40
_BLANKS: Final = " \t\n"
_OPERATORS: Final = ";&|()<>"
_NAME: Final = re.compile(r"\$(?:[A-Za-z0-9_]+|[?#@*!$-])")
_ANSI: Final = re.compile(r"\$'((?:[^'\\]|\\[^'])*)(?<!\\)'")
_ARITHMETIC: Final = re.compile(r"[A-Za-z0-9_ \t+\-*/%<>=!&|^~?:,$]")
_BACKTICKS: Final = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)
_OPTIONS: Final = r"(?:\s+[-+][oO]\s+\w+|\s+[-+]\S+)*?"
_FIRST: Final = r"(?:^|[;&|(\n]|(?:^|\s)[{!]\s|\b(?:if|then|elif|else|while|until|do)\s)\s*(?:(?:command|builtin)\s+)?"
"""What stands before the first word of a command."""
_WORDS: Final = r"""\s(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^;&|\n'"\\])*"""
"""Further words of the same command, each as a whole."""
_PROGRAM: Final = re.compile(
    rf"(?:^|[\s;&|(/])(?:(?:sh|bash|dash|ash|ksh|mksh|zsh|python[\d.]*){_OPTIONS}\s+-\w*c"
    rf"|(?:su|runuser|flock|script)\s[^;&|\n]*-\w*c|(?:perl|ruby|node|php){_OPTIONS}\s+-\w*[eEr])\s+$"
    rf"|{_FIRST}eval\s+$"
)
"""What stands before the text of a program."""
_EVAL: Final = re.compile(rf"{_FIRST}(?:eval|(?:\S*/)?watch){_WORDS}$", re.DOTALL)
"""What makes a program of all words that follow."""
_LATER: Final = re.compile(rf"{_FIRST}(?:trap|alias){_WORDS}$", re.DOTALL)
"""What keeps a text as a program that the shell runs later."""


class Slot(NamedTuple):
    """A placeholder, and the kind of place where it stands."""

    name: str
    place: Place


class Scanned(NamedTuple):
    """A command in pieces: the text between placeholders as it is, and the placeholders."""

    pieces: tuple[str | Slot, ...]
    end: int
    """Where the last word of the command ends: before trailing blanks and comments."""
    complete: bool
    """Whether a further word can stand at that end (it cannot after `;`, say)."""


def scan(text: str, names: Iterable[str] = PLACEHOLDERS) -> Scanned:
    """Return the command in pieces. Raises UsageError where a placeholder cannot be filled safely."""
    return _Scanner(text, names).run()


class _Scanner:
    """One walk over a command. Each method starts at the character that opens its construct and ends after it."""

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self.text: Final = text
        self.slots: Final = re.compile("|".join(re.escape(name) for name in names))
        self.at = 0
        self.pieces: list[str | Slot] = []
        self.copied = 0
        """Up to where the text has been put into pieces."""
        self.fresh = True
        """Whether a word may start here."""
        self.words: list[int] = [0]
        """Where the current word starts, for each level of command substitution."""
        self.name_end = -1
        """Where the last `$name` ended."""
        self.end = 0
        self.complete = False
        self.count = 0

    def run(self) -> Scanned:
        if "\0" in self.text:
            raise UsageError("a command cannot contain a NUL character")
        if re.search(r"[$<(]\\\n", self.text):
            raise UsageError("the command has a line break, escaped, in the middle of an operator: join the lines")
        self._commands("")
        self.pieces.append(self.text[self.copied :])
        return Scanned(tuple(self.pieces), self.end, self.complete)

    # -- unquoted text

    def _commands(self, closing: str) -> None:
        """Unquoted text, up to and with `closing` (or the end of the template where that is empty)."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == closing:
                self._take(1)
                return
            if char in _BLANKS or (char == "#" and self.fresh):
                self._between_words(char)
            else:
                self._word_part(char)
        if closing:
            raise UsageError("the command has a parenthesis that is never closed")

    def _between_words(self, char: str) -> None:
        if char == "#":  # a comment: its quotes quote nothing, and what looks like a placeholder is none
            newline = self.text.find("\n", self.at)
            self.at = len(self.text) if newline < 0 else newline
        else:
            self._take(1)
            self.fresh = True

    def _word_part(self, char: str) -> None:
        if self.fresh and char not in _OPERATORS and not self._at("\\\n"):
            self.words[-1] = self.at
            self._refuse_case()
        if (slot := self.slots.match(self.text, self.at)) is not None:
            self._fill(slot, "word" if self.fresh and self._ends_word(slot.end()) else "joined")
        elif char in _OPERATORS:
            self._operator(char)
            return
        elif self._at("\\\n"):
            self._continued_line()
            return
        elif char == "\\":
            self._escaped()
        else:
            self._quoted_or_plain(char)
        self.fresh, self.end, self.complete = False, self.at, True

    def _quoted_or_plain(self, char: str) -> None:
        if char == "'":
            self._single_quotes()
        elif char == '"':
            self._double_quotes()
        elif char == "`":
            self._backticks()
        elif char == "$":
            self._dollar(quoted=False)
        else:
            self._take(1)

    def _operator(self, char: str) -> None:
        if self._at("<<"):
            raise UsageError(
                "the command has a here-document, beside which no item is safe: use printf and a pipe, or a script"
            )
        if self._at("(("):
            raise UsageError("the command has '((', which shells read in two ways: write '( (' or use $((...))")
        self._take(1)
        if char == "(" and len(self.words) > 1:  # elsewhere nothing hangs on where it is closed
            self._nested(")")
        self.fresh, self.end, self.complete = True, self.at, char in "<>"

    def _escaped(self) -> None:
        if self.at + 1 == len(self.text):
            raise UsageError("the command ends with a backslash that escapes nothing")
        self._take(2)

    def _continued_line(self) -> None:
        if self.name_end == self.at:
            self.name_end += 2
        self._take(2)

    def _refuse_case(self) -> None:
        """Inside $(...), the `)` of a case pattern cannot be told from the one that ends the substitution."""
        if len(self.words) > 1 and re.compile(r"case[ \t\n]").match(self.text, self.at):
            raise UsageError("the command has 'case' inside parentheses, which is not followed here: use a script")

    def _nested(self, closing: str) -> None:
        if len(self.words) > _DEPTH_MAX:
            raise UsageError(f"the command is nested more than {_DEPTH_MAX} levels deep")
        self.words.append(self.at)
        self.fresh = True
        self._commands(closing)
        self.words.pop()

    # -- quoted text

    def _single_quotes(self) -> None:
        closing = self.text.find("'", self.at + 1)
        if closing < 0:
            raise UsageError("the command has a ' that is never closed")
        self._take(1)
        while (slot := self.slots.search(self.text, self.at, closing)) is not None:
            self.at = slot.start()
            self._fill(slot, "single")
        self.at = closing + 1

    def _double_quotes(self) -> None:
        self._take(1)
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self._take(1)
                return
            self._in_double_quotes(char)
        raise UsageError('the command has a " that is never closed')

    def _in_double_quotes(self, char: str) -> None:
        if (slot := self.slots.match(self.text, self.at)) is not None:
            self._fill(slot, "glued" if self.name_end == self.at else "double")
        elif self._at("\\\n"):
            self._continued_line()
        elif char == "\\":
            self._backslash_in_double_quotes()
        elif char == "`":
            self._backticks()
        elif char == "$":
            self._dollar(quoted=True)
        else:
            self._take(1)

    def _backslash_in_double_quotes(self) -> None:
        """Only some characters are escaped there; before others a backslash is plain, and must stay so."""
        if self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\"):
            self._take(2)
            return
        self._take(1)
        if self.slots.match(self.text, self.at):
            self._copy(self.at)
            self.pieces.append("\\")

    def _backticks(self) -> None:
        found = _BACKTICKS.match(self.text, self.at)
        if found is None:
            raise UsageError("the command has a ` that is never closed")
        slot = self.slots.search(found[1])
        if slot is not None:
            raise UsageError(f"{slot[0]} cannot stand inside backticks: write $(...) instead of `...`")
        self.at = found.end()

    # -- what a dollar sign opens

    def _dollar(self, *, quoted: bool) -> None:
        if self._at("$(("):
            self._arithmetic()
        elif self._at("$("):
            self._take(2)
            self._nested(")")
        elif self._at("${"):
            self._braces(quoted=quoted)
        elif self._at("$["):
            raise UsageError("the command has '$[', which shells read in two ways: use $((...))")
        elif self._at("$'") and not quoted:
            self._ansi_quotes()
        elif (name := _NAME.match(self.text, self.at)) is not None:
            self.at = self.name_end = name.end()
        else:
            self._take(1)

    def _arithmetic(self) -> None:
        """`$((...))` of plain characters only, so that every shell agrees where it ends."""
        self._take(3)
        depth = 0
        while not (depth == 0 and self._at("))")):
            char = self.text[self.at : self.at + 1]
            slot = self.slots.match(self.text, self.at)
            if slot is not None and slot[0] == INDEX:
                self._fill(slot, "arithmetic")
                continue
            depth += (char == "(") - (char == ")")
            if slot is not None or depth < 0 or not (char and (char in "()" or _ARITHMETIC.match(char))):
                found = slot[0] if slot is not None else char or "the end"
                raise UsageError(f"$((...)) can hold numbers, names, operators and {{#}} here, not {found}")
            self._take(1)
        self._take(2)

    def _braces(self, *, quoted: bool) -> None:
        slot = self.slots.match(self.text, self.at + 1)
        if slot is not None and slot[0] != INDEX:  # ${#} is the shell's own
            raise UsageError(f"{slot[0]} cannot stand directly after a dollar sign: write \\${slot[0]} or {slot[0]}")
        self._take(2)
        while not self._at("}"):
            char = self.text[self.at : self.at + 1]
            if char == "$":
                self._dollar(quoted=quoted)
            elif char in ("", "{", "'", '"', "\\", "`", "\n"):
                raise UsageError("${...} can hold no quotes, braces and placeholders here: set a variable before")
            else:
                self._take(1)
        self._take(1)

    def _ansi_quotes(self) -> None:
        found = _ANSI.match(self.text, self.at)
        if found is None or self.slots.search(found[1]):
            raise UsageError("$'...' with a placeholder or a quote in it is not read alike by all shells: use '...'")
        self.at = found.end()

    # -- placeholders

    def _fill(self, slot: re.Match[str], place: Place) -> None:
        self._refuse_program(slot)
        self.count += 1
        if self.count > SLOTS_MAX:
            raise UsageError(f"the command has more than {SLOTS_MAX} placeholders")
        self._copy(slot.start())
        self.pieces.append(Slot(slot[0], place))
        self.at = self.copied = slot.end()

    def _refuse_program(self, slot: re.Match[str]) -> None:
        """Refuse text inside a program that another shell will run: there, no quoting of ours would hold.

        A placeholder that is the whole program is fine: who writes `sh -c {}` has items that are commands.
        """
        if slot[0] == INDEX:
            return
        for start in self.words:
            before = self.text[:start].replace("\\\n", "")
            if _LATER.search(before):
                raise UsageError(
                    f"{slot[0]} would become a part of a program that the shell runs later: "
                    f"put it into a variable before, as in item={slot[0]}; trap 'rm -f \"$item\"' EXIT"
                )
            program = _PROGRAM.search(before) is not None
            if (program and not self._whole_word(start, slot)) or (not program and _EVAL.search(before)):
                raise UsageError(
                    f"{slot[0]} would become a part of a program that another interpreter runs: "
                    f"hand it over as an argument, as in sh -c 'gzip \"$1\"' sh {slot[0]}"
                )

    def _whole_word(self, start: int, slot: re.Match[str]) -> bool:
        quote = self.text[start : slot.start()]
        end = slot.end() + len(quote)
        return quote in ("", "'", '"') and self.text[slot.end() : end] == quote and self._ends_word(end)

    def _ends_word(self, at: int) -> bool:
        return at == len(self.text) or self.text[at] in _BLANKS + ";&|)"

    # -- small steps

    def _at(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def _take(self, count: int) -> None:
        self.at += count

    def _copy(self, end: int) -> None:
        if end > self.copied:
            self.pieces.append(self.text[self.copied : end])
            self.copied = end
