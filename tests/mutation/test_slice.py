"""A few mutants of the core, drawn by chance from the last full run, fare as they did there."""

from __future__ import annotations

import subprocess
import sys

from tests.mutation.drawn import sample
from tests.mutation.source import ROOT


def test_the_drawn_mutants_fare_as_before() -> None:
    command = [sys.executable, "-m", "tests.mutation.drawn"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 fared otherwise" in done.stdout


def test_the_sample_has_kills_and_a_mutant_that_nothing_can_tell_from_the_original() -> None:
    fates = [drawn.fate for drawn in sample().values()]
    assert fates.count("killed") >= 30
    assert "survived" in fates, "or a runner that calls everything killed would pass"
