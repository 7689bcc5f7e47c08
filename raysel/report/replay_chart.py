"""A replay as a chart: regret against cost, a mark a method."""

from collections.abc import Sequence
from pathlib import Path

from raysel.errors import OptionError
from raysel.replay.metrics import Standing

FORMATS = ("png", "svg")
_MARKERS = "osD^v<>PX*hpd8H"
_OURS = ("default", "default-async", "paper")


def check_chart(file: str) -> None:
    """Raise before any work where a chart could not be written.

    Raises:
        OptionError: If the file's name ends in neither `.png` nor `.svg`, or its folder does not exist.
    """
    path = Path(file)
    if path.suffix.lstrip(".").lower() not in FORMATS:
        raise OptionError("chart", file, f"a file that ends in .{' or .'.join(FORMATS)}")
    if not path.parent.is_dir():
        raise OptionError("chart", file, "a file in a folder that exists")


def replay_chart(summary: Sequence[Standing], file: str, *, title: str) -> None:
    """Draw the mean regret of each method against its mean cost, with bootstrap 95 % intervals.

    Below and to the left is better. raysel's own methods are filled. The cost is in full trainings, so that datasets
    whose runs differ in length weigh the same.

    Args:
        summary: One standing a method.
        file: Where to write, by its ending PNG or SVG.
        title: What was replayed.

    Raises:
        OptionError: If the file cannot be a chart.
    """
    check_chart(file)
    import matplotlib
    from matplotlib.figure import Figure

    # A fixed salt, and no date in the file: the same replay gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "raysel", "font.size": 9.0}):
        figure = Figure(figsize=(8.5, 5.0), layout="constrained")
        axes = figure.add_subplot()
        for number, standing in enumerate(sorted(summary, key=lambda one: one.mean_regret)):
            colour, (low, high) = f"C{number % 10}", standing.ci95
            axes.errorbar(
                [standing.mean_trainings],
                [standing.mean_regret],
                yerr=[[max(0.0, standing.mean_regret - low)], [max(0.0, high - standing.mean_regret)]],
                marker=_MARKERS[number % len(_MARKERS)],
                markerfacecolor=colour if standing.method in _OURS else "white",
                color=colour,
                elinewidth=0.6,
                linestyle="none",
                label=f"{standing.method}  {standing.mean_regret:.4f} @ {standing.mean_trainings:.1f}",
            )
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("cost: full trainings a target")
        axes.set_ylabel("regret: best final minus the selected model's")
        axes.set_title(title)
        axes.grid(visible=True, which="both", alpha=0.2)
        figure.legend(loc="outside right upper", frameon=False, title="least regret first")
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.lower().endswith(".svg") else None)
