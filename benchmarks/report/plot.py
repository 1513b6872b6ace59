"""The plot: who costs how much, and how the cost grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.calls.cases import BY_HAND, FLOOR
from benchmarks.peers.ours import NAME

from .calls import Calls

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.parts import Figures

_OURS, _OTHERS, _FLOORS = "#1f6feb", "#9aa4b2", "#3fb950"
_WAYS = ("call", "decorator")


def draw(parts: dict[str, Figures], path: Path) -> None:
    """Draw what was measured into a file.

    Raises:
        ImportError: matplotlib is not here; it belongs to the environment of ``make bench``.
    """
    if "calls" not in parts:
        return
    import matplotlib as mpl  # noqa: PLC0415 - only here

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - only here

    # Texts as texts: the file is small, and the same figures give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9}):
        figure, axes = plt.subplots(1, 3, figsize=(13, 5.2), constrained_layout=True)
        calls = Calls(parts["calls"])
        _bars(axes[0], calls, "closed", "A closed call")
        _bars(axes[1], calls, "open", "A rejection")
        _growth(axes[2], parts.get("scale"))
        figure.savefig(path, format="svg", metadata={"Date": None})
        plt.close(figure)


def _bars(axis: Any, calls: Calls, state: str, title: str) -> None:
    best = {who: calls.best(who, state, _WAYS) for who in calls.everybody()}
    ratios = {who: line["ratio"] for who, line in best.items() if line is not None}
    names = sorted(ratios, key=lambda who: ratios[who], reverse=True)
    colours = {NAME: _OURS, FLOOR: _FLOORS, BY_HAND: _FLOORS}
    bars = axis.barh(
        [who.replace("fastapi-hybrid-breaker", "ours") for who in names],
        [ratios[who] for who in names],
        color=[colours.get(who, _OTHERS) for who in names],
    )
    axis.bar_label(bars, fmt="%.1f", padding=3)
    axis.set_xscale("log")
    axis.margins(x=0.15)
    axis.set_xlim(left=0.7)
    axis.set_title(title)
    axis.set_xlabel("times the bare await")


def _growth(axis: Any, figures: Figures | None) -> None:
    if figures is None:
        axis.set_axis_off()
        return
    series: dict[str, list[tuple[int, float]]] = {}
    for name, line in figures["calls"].items():
        kind, _, number = name.partition(" / ")
        series.setdefault(kind, []).append((int(number), line["p10_ns"]))
    for kind, points in series.items():
        axis.plot(*zip(*sorted(points), strict=True), marker="o", label=kind)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_title("Time per call by number of circuits")
    axis.set_xlabel("circuits")
    axis.set_ylabel("nanoseconds")
    axis.legend(frameon=False)
