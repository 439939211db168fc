"""Kills the processes of recorded searches with SIGKILL until there were enough kills, and checks every search.

    python scripts/kill_search.py --kills 500
    python scripts/with_postgresql.py python scripts/kill_search.py --kills 500 --workers 8 --postgresql

Each search is one seed's. What the kills may not do is said in tests/agent/killed_sessions.py; the first
search that breaks it ends the script with an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

from storage.database import parse_url
from tests.agent.killed_sessions import killed_session, undisturbed

KILLS_PER_SEARCH = 25


def main() -> None:
    """Runs searches one after the other and prints what became of each."""
    parser = argparse.ArgumentParser(description="Kill searches with SIGKILL and check what becomes of them.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--workers", type=int, default=1, help="processes at work on each search")
    parser.add_argument("--seed", type=int, default=0, help="the first search's seed")
    parser.add_argument("--postgresql", action="store_true", help="on the server of AGENTTTS_TEST_POSTGRESQL")
    options = parser.parse_args()
    kills, seed = 0, options.seed
    made = twice = 0
    while kills < options.kills:
        with tempfile.TemporaryDirectory() as folder:
            storage = server_database() if options.postgresql else f"sqlite:///{folder}/killed.db"
            wanted = min(KILLS_PER_SEARCH, options.kills - kills)
            with killed_session(storage, seed, wanted, options.workers) as killer:
                killer.check(undisturbed(seed))
        kills += len(killer.kills)
        made += len(killer.server.made)
        twice += sum(killer.server.made.values()) - len(killer.server.made)
        print(f"seed {seed}: {len(killer.kills)} kills, as undisturbed; {kills} kills so far", flush=True)
        seed += 1
    print(f"{kills} kills, {seed - options.seed} searches of {options.workers} processes each: results as undisturbed")
    print(f"{made} generations needed, {twice} made twice: all of these were under way at a kill")


def server_database() -> str:
    """A new, empty database on the server."""
    url = parse_url(os.environ["AGENTTTS_TEST_POSTGRESQL"])
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS kills WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE kills")
    engine.dispose()
    return url.set(database="kills").render_as_string(hide_password=False)


if __name__ == "__main__":
    main()
