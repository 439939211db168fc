"""A front of score against cost as a figure, with the allocation of every point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.comparison.plots import COLOURS, FORMATS, require_matplotlib
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from agent.pareto import Front


def plot_front(front: Front, path: Path) -> Path:
    """Writes the figure. Raises InvalidInput for another ending, without points and without matplotlib."""
    if path.suffix.lstrip(".") not in FORMATS:
        raise InvalidInput("plot", f"{path.name!r} must end in one of: {', '.join(FORMATS)}")
    if not front.points:
        raise InvalidInput("plot", f"session {front.result.session_id} has no judged front yet; resume it first")
    require_matplotlib()
    import matplotlib

    # Ids drawn from a fixed salt and text as text: the same front gives the same file.
    style: Any = {"svg.hashsalt": "agenttts", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(style):
        # A figure of its own, not pyplot's: no window system and no global state.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 4.0 + 0.2 * len(front.points)), layout="constrained")
        _draw(figure.subplots(), front)
        listing = "\n".join(f"{place}: {point.allocation}" for place, point in enumerate(front.points, 1))
        figure.supxlabel(listing, fontsize=8, x=0.01, ha="left")
        metadata = {"Date": None} if path.suffix == ".svg" else None
        try:
            figure.savefig(path, metadata=metadata, dpi=150)
        except OSError as error:
            raise InvalidInput("plot", f"{path} cannot be written: {error.strerror}") from None
    return path


def _draw(axis: Any, front: Front) -> None:
    blue, red = COLOURS[:2]
    tried = [trial for trial in front.result.trials if trial.score is not None]
    axis.scatter([t.cost for t in tried], [t.score for t in tried], s=10, color="0.7", label="trials, search examples")
    costs = [point.cost for point in front.points]
    searched = [point.trial.score or 0.0 for point in front.points]
    axis.scatter(costs, searched, s=22, color=red, label="front, search examples")
    scores = [point.held_out.score for point in front.points]
    means = [score.mean for score in scores]
    spread = [[s.mean - s.interval.low for s in scores], [s.interval.high - s.mean for s in scores]]
    axis.plot(costs, means, drawstyle="steps-post", color=blue, linewidth=1)
    axis.errorbar(costs, means, yerr=spread, fmt="o", color=blue, capsize=3, label="front, held-out examples, 95%")
    for place, (cost, mean) in enumerate(zip(costs, means, strict=True), 1):
        axis.annotate(str(place), (cost, mean), textcoords="offset points", xytext=(4, 5), color=blue)
    if min([*costs, *(trial.cost for trial in tried)]) > 0:
        axis.set_xscale("log")
    result = front.result
    source = " (simulated)" if result.simulated else " (recorded)" if result.recorded_from else ""
    name = result.config.task if source.strip(" ()") in result.config.task else f"{result.config.task}{source}"
    axis.set(xlabel=f"cost of an example, {front.unit}", ylabel="score", title=name)
    axis.grid(alpha=0.3)
    axis.legend(loc="best", fontsize=8)
