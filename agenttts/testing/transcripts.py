"""Replays of sessions whose searcher is a language model, from what `agenttts show --json --transcripts` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.search import trial_row
from agent.session import Result, resume
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionConfig
from storage.transcript import Transcript
from tools.errors import AgentttsError, EndpointError

NOWHERE = "http://127.0.0.1:1/v1"
"""No server listens at port 1: a call that was not recorded fails."""


def replay(session: Mapping[str, Any], storage: str) -> Result:
    """Runs a printed session again in an empty database; the model's answers come from its transcripts.

    Raises AgentttsError naming the first question that is not the one that was asked then, or when
    more is asked.
    """
    config = SessionConfig(**session["config"])
    options = {**config.searcher_options, "base_url": NOWHERE}
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.create_session(replace(config, searcher_options=options))
        archive.add_transcripts(record.id, [Transcript(**call) for call in session["transcripts"]])
    try:
        return resume(record.id, storage)
    except EndpointError as error:
        raise AgentttsError(f"more is asked than the {len(session['transcripts'])} recorded calls: {error}") from None


def differences(session: Mapping[str, Any], result: Result) -> list[str]:
    """Where a result's trials and guidelines are not those of a printed session, in their order; nothing if equal."""
    rows = [trial_row(trial) for trial in result.trials]
    guidelines = [
        {"batch": guideline.batch, "text": guideline.text, "origin": guideline.origin}
        for guideline in result.guidelines
    ]
    found = []
    for kind, expected, made in (("trial", session["trials"], rows), ("guideline", session["guidelines"], guidelines)):
        if len(expected) != len(made):
            found.append(f"{len(made)} {kind}s instead of {len(expected)}")
        for number, (theirs, ours) in enumerate(zip(expected, made, strict=False)):
            found += [
                f"{kind} {number}: {key} is {ours.get(key)!r} instead of {value!r}"
                for key, value in theirs.items()
                if ours.get(key) != value
            ]
    return found
