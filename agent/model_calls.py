"""The model calls of a session's searcher, kept in the archive as they are answered."""

from __future__ import annotations

from agent.searcher import Searcher
from storage.archive import Archive
from storage.transcript import Transcript


class ModelCalls:
    """Those that are stored, and those to come: each is on disk before the next one is made."""

    def __init__(self, archive: Archive, session_id: str) -> None:
        self._archive = archive
        self._session_id = session_id
        self._stored = archive.transcripts(session_id)

    def follow(self, searcher: Searcher) -> None:
        """Gives a searcher that was not asked yet the answers of the stored calls, and keeps its further ones."""
        searcher.replay(self._stored)
        searcher.listen(self._keep)

    def _keep(self, place: int, call: Transcript) -> None:
        if not self._is_stored(place, call):
            self._archive.keep_transcript(self._session_id, place, call)

    def _is_stored(self, place: int, call: Transcript) -> bool:
        """Whether a call is stored as it is now; one whose answer is not yet looked at says nothing new."""
        if place >= len(self._stored):
            return False
        stored = self._stored[place]
        return call.accepted or (stored.accepted, stored.problem) == (call.accepted, call.problem)
