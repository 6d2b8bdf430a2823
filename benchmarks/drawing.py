"""Draws charts with matplotlib, as SVG: run in an environment of its own, with what is to be drawn as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

_OURS: Final = "#1f6f8b"
_THEIRS: Final = "#b8b8b8"
_INCHES_A_BAR: Final = 0.34


def draw(chart: dict[str, Any], folder: Path) -> None:
    """Draw horizontal bars, the best on top, each with its value, on a logarithmic axis."""
    bars = chart["bars"][::-1]
    figure, axes = plt.subplots(figsize=(8.5, 1.1 + _INCHES_A_BAR * len(bars)), layout="constrained")
    medians = [bar["median"] for bar in bars]
    spread = [[bar["median"] - bar["least"] for bar in bars], [bar["most"] - bar["median"] for bar in bars]]
    drawn = axes.barh(
        [bar["name"] for bar in bars],
        medians,
        xerr=spread,
        color=[_OURS if bar["ours"] else _THEIRS for bar in bars],
        error_kw={"ecolor": "#444444", "elinewidth": 1, "capsize": 2},
    )
    axes.bar_label(drawn, labels=[f"{value:,.{0 if value >= 10 else 2}f}" for value in medians], padding=6, fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(left=min(medians) / 3, right=max(medians) * 4)
    axes.set_xlabel(chart["axis"], fontsize=9)
    axes.set_title(chart["title"], fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / chart["file"], metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Draw all that is asked for."""
    plt.rcParams["svg.hashsalt"] = "benchmarks"  # the same figures give the same file
    plt.rcParams["svg.fonttype"] = "none"
    for chart in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        draw(chart, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
