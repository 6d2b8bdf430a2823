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
_OTHERS: Final = "#777777"
"""Lines are darker than bars."""
_INCHES_A_BAR: Final = 0.34


def bars(chart: dict[str, Any], folder: Path) -> None:
    """Draw horizontal bars, the best on top, each with its value, on a logarithmic axis."""
    shown = chart["bars"][::-1]
    figure, axes = plt.subplots(figsize=(8.5, 1.1 + _INCHES_A_BAR * len(shown)), layout="constrained")
    medians = [bar["median"] for bar in shown]
    spread = [[bar["median"] - bar["least"] for bar in shown], [bar["most"] - bar["median"] for bar in shown]]
    drawn = axes.barh(
        [bar["name"] for bar in shown],
        medians,
        xerr=spread,
        color=[_OURS if bar["ours"] else _THEIRS for bar in shown],
        error_kw={"ecolor": "#444444", "elinewidth": 1, "capsize": 2},
    )
    axes.bar_label(drawn, labels=[f"{value:,.{0 if value >= 10 else 2}f}" for value in medians], padding=6, fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(left=min(medians) / 3, right=max(medians) * 4)
    axes.set_xlabel(chart["axis"], fontsize=9)
    axes.set_title(chart["title"], fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, folder / chart["file"])


def curves(chart: dict[str, Any], folder: Path) -> None:
    """Draw one line for each player over the number of children, both axes logarithmic."""
    figure, axes = plt.subplots(figsize=(8.5, 4), layout="constrained")
    for number, line in enumerate(chart["lines"]):
        color = _OURS if line["ours"] else _OTHERS
        style = ("-", "--", ":", "-.")[number // 2 % 4]
        axes.plot(*zip(*line["points"], strict=True), color=color, linestyle=style, marker="o", label=line["name"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(chart["across"], fontsize=9)
    axes.set_ylabel(chart["axis"], fontsize=9)
    axes.set_title(chart["title"], fontsize=11, loc="left")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, folder / chart["file"])


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Draw all that is asked for."""
    plt.rcParams["svg.hashsalt"] = "benchmarks"  # the same figures give the same file
    plt.rcParams["svg.fonttype"] = "none"
    for chart in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        (bars if "bars" in chart else curves)(chart, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
