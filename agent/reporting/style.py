"""How reports look: one colour a model, numbers as people read them, texts of others shown and never obeyed."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tools.errors import InvalidInput
from tools.text import visible

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#2b7bba", "#d55e00", "#1a9a73", "#a66bbe", "#b8860b", "#1d93a6", "#d0568f", "#7f8790")
"""Close to Okabe and Ito's, which colour-blind readers tell apart, and legible on white and on black."""
TIMES, DASH = "\u00d7", "\u2013"
"""A multiplication sign, and what stands between two bounds or for what is not known."""
GREY = "#8a929b"
SCALE = ((0.0, "#9db4c8"), (0.45, "#4f8fbf"), (0.75, "#c98a3d"), (1.0, "#d55e00"))
"""Low to high scores, on white and on black."""
DASHES = ("dash", "dot", "dashdot", "longdash")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LOG_FROM = 4
SHOWN = 60
"""Characters of a name in a figure; tables hold the whole name."""


def require_plotly() -> None:
    """Raises InvalidInput, with the command that helps, where plotly is not installed."""
    if find_spec("plotly") is None:
        raise InvalidInput("report", 'needs plotly: pip install "agenttts[report]"')


def new_figure(height: int = 420, **layout: Any) -> Figure:
    """An empty figure in the style of reports. Raises InvalidInput without plotly."""
    require_plotly()
    from plotly.graph_objects import Figure

    figure = Figure()
    set_style(figure, height, **layout)
    return figure


def set_style(figure: Figure, height: int, **layout: Any) -> None:
    """The layout that every figure shares; `layout` adds to it. Colours of the paper are left to the reader."""
    axis = {"zeroline": False, "automargin": True, "gridcolor": "rgba(128,136,146,0.22)", "ticks": ""}
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 56, "r": 20, "t": 48, "b": 52},
        font={"family": FONT, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"align": "left", "font": {"family": FONT, "size": 12}},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        # Names of models are texts, whatever number or date they look like.
        xaxis=axis | {"autotypenumbers": "strict"},
        yaxis=axis | {"autotypenumbers": "strict"},
    )
    figure.update_layout(**layout)


def label(text: object, most: int = SHOWN) -> str:
    """A text of others for a figure, where plotly would read tags: shortened, one line, nothing obeyed."""
    line = " ".join(visible(str(text)).split())
    short = line if len(line) <= most else f"{line[: most - 1]}…"
    # A "%{" would be a place of a hover template.
    return html.escape(short, quote=False).replace("%{", "%&#123;")


def lines(*texts: object) -> str:
    """Texts of others as the lines of a hover box."""
    return "<br>".join(label(text, 110) for text in texts if text not in (None, ""))


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, in their order; beyond the palette they begin anew."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(dict.fromkeys(names))}


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Each name without the parts between hyphens that all begin or end with, where that leaves them different."""
    parts = {name: name.split("-") for name in names}
    shortest = min((len(of) for of in parts.values()), default=0)
    if len(parts) < 2:
        return {name: name for name in names}
    first = last = 0
    while first < shortest - 1 and len({of[first] for of in parts.values()}) == 1:
        first += 1
    while last < shortest - 1 - first and len({of[-1 - last] for of in parts.values()}) == 1:
        last += 1
    return {name: "-".join(of[first : len(of) - last]) for name, of in parts.items()}


def number(value: float | None, digits: int = 4) -> str:
    """A figure as people read it: digits that count, thousands apart; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    if 1e-4 <= abs(value) < 10**digits:
        return f"{value:,.{digits}g}"
    return f"{value:,.0f}" if 1 <= abs(value) < 1e15 else f"{value:.{digits - 1}e}"


def score(value: float | None) -> str:
    """A score in [0, 1]."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.3f}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.1%}" if 0 < abs(value) < 0.1 else f"{value:.0%}"


def log_axis(values: Iterable[float]) -> dict[str, Any]:
    """The settings of an axis for costs: logarithmic where they are positive and reach over a factor of LOG_FROM."""
    shown = sorted(set(values))
    if not shown or shown[0] <= 0 or shown[-1] / shown[0] < LOG_FROM:
        return {}
    return {"type": "log", "dtick": "D2" if shown[-1] / shown[0] < 100 else 1, "tickformat": "~s"}
