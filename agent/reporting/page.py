"""HTML pages of one file: our templates, plotly's script once, nothing from elsewhere and nothing of others run."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.reporting import style
from agent.reporting.answer import answer_of
from agent.reporting.plot import Plot
from agent.reporting.style import require_plotly
from tools.errors import InvalidInput
from tools.text import storable, visible

if TYPE_CHECKING:
    from agent.session import Result

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Renders a page and writes it. Raises InvalidInput without plotly, and for a file that cannot be written."""
    require_plotly()
    html = render(template, **values)
    try:
        path.write_text(storable(html), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InvalidInput("output", f"{path} cannot be written: {error.strerror}") from None
    return path


def render(template: str, **values: Any) -> str:
    """The page as text. Its policy lets the browser run our two scripts alone, and load nothing."""
    scripts = [_plotly_script(), (TEMPLATES / "report.js").read_text(encoding="utf-8")]
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
        f"script-src {' '.join(_hash(script) for script in scripts)}"
    )
    return (
        environment()
        .get_template(template)
        .render(
            policy=policy,
            plotly=Markup(scripts[0]),  # noqa: S704 - plotly's own file
            script=Markup(scripts[1]),  # noqa: S704 - ours
            style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
            **values,
        )
    )


def answer_block(result: Result) -> str:
    """The answer alone, for a notebook; it needs neither plotly nor a script."""
    block: str = environment().get_template("notebook.html.j2").render(result=result, answer=answer_of(result))
    return block


def figure_json(plot: Plot) -> Markup:
    """A figure's data, in which no tag can end or begin."""
    text = json.dumps(json.loads(plot.figure.to_json()), ensure_ascii=True, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(escaped)  # noqa: S704 - escaped


@lru_cache
def environment(*folders: Path) -> Environment:
    """The templates of some folders, then ours; everything that they show is escaped and made visible."""
    environment = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Texts of others come without what hides or reorders them.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": style.number,
        "score": style.score,
        "share": style.share,
        "figure_json": figure_json,
    }
    return environment


@lru_cache(maxsize=1)
def _plotly_script() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
