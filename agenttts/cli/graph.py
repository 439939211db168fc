"""`agenttts graph`: the search loop as a picture, or as a project for LangGraph Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agenttts.cli.options import AsJson
from tools.errors import InvalidInput


def graph(
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print Mermaid, which most editors draw (default).")
    ] = False,
    studio: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write langgraph.json and its module for `langgraph dev`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the search loop, or write it out for LangGraph Studio.

    Examples:

      agenttts graph > loop.mmd

      agenttts graph --studio studio
    """
    if studio is not None and mermaid:
        raise InvalidInput("--studio", "writes files and draws nothing; leave out --mermaid")
    if mermaid and as_json:
        raise InvalidInput("--mermaid", "and --json are two forms; give one of them")
    from agent.studio import loop_graph, write_project

    if studio is not None:
        written = [str(path) for path in write_project(studio)]
        if as_json:
            typer.echo(json.dumps({"folder": str(studio), "files": written}, indent=2))
        else:
            typer.echo(f"Wrote {' and '.join(written)}. Next: cd {studio} && langgraph dev --allow-blocking")
        return
    drawn = loop_graph().get_graph()
    typer.echo(json.dumps(drawn.to_json(), indent=2) if as_json else drawn.draw_mermaid().rstrip())
