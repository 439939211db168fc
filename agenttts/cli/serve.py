"""`agenttts serve`: a session's best allocation as an OpenAI-compatible endpoint."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, Storage
from agenttts.cli.terminal import Terminal
from agenttts.serving.listening import is_loopback, listen, own_names
from tools.errors import InvalidInput

SPARE_CONNECTIONS = 64
"""Open connections beyond the answers under way and waiting; more are turned away."""
TOKEN_ENV = "AGENTTTS_SERVE_TOKEN"  # noqa: S105 - the variable's name


def serve(
    session: Annotated[
        str, typer.Argument(help="Session id, the beginning of one, last, or an exported pipeline file.")
    ] = "last",
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 picks a free one.")] = 8900,
    input_field: Annotated[
        str | None, typer.Option("--input", help="The examples' field that a question in plain text fills.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The session's pipeline, where its file has moved or it was a program's object.")
    ] = None,
    token_env: Annotated[str, typer.Option(help="The environment variable that holds the bearer token.")] = TOKEN_ENV,
    concurrency: Annotated[int, typer.Option(min=1, help="Answers that are under way at once.")] = 8,
    most_bytes: Annotated[int, typer.Option(min=1, help="The longest request body.")] = 1_000_000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one answer may take.")] = 600.0,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Answer chat requests with a session's best allocation until interrupted.

    The last user message is the question: a text, or a JSON object of the examples' fields.

    Examples:

      agenttts serve

      agenttts serve best.yaml --port 8900
    """
    try:
        from agenttts.serving.application import ServeSettings, application
        from agenttts.serving.connections import run
    except ImportError:
        raise InvalidInput("serve", 'needs starlette and uvicorn: pip install "agenttts[serve]"') from None
    from agent.winner import load_winner

    token = os.environ.get(token_env, "")
    if not token and not is_loopback(host):
        raise InvalidInput("--host", f"{host} can be reached by others: put a bearer token into {token_env} first")
    winner = load_winner(session, storage, task)
    pipeline = winner.allocated()
    with listen(host, port) as listening:
        bound = listening.getsockname()[1]
        settings = ServeSettings(
            model=winner.task.name,
            input_field=input_field,
            token=token,
            hosts=own_names(host, bound),
            most_bytes=most_bytes,
            concurrency=concurrency,
            timeout=timeout,
        )
        app = application(pipeline, settings)
        console = Terminal()
        console.print(f"{winner.task.name} ({winner.origin}): {winner.allocation}", highlight=False)
        shown = f"[{host}]" if ":" in host else host
        guarded = "with the token of " + token_env if token else "without a token"
        console.print(
            f"Serving on http://{shown}:{bound}/v1, {guarded}. Ctrl-C ends it.", highlight=False, markup=False
        )
        most = concurrency + settings.waiting + SPARE_CONNECTIONS
        run(app, listening, most)
