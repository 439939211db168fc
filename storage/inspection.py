"""How a database stands, without creating or changing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError

from storage.database import MIGRATIONS, engine_for, parse_url, sqlite_path, unusable
from storage.schema import SampleRow, SessionRow


@dataclass(frozen=True, slots=True)
class Standing:
    """A database's place with its password hidden, whether it exists, its schema's revision and the newest one.

    `sessions` and `samples` count what it holds; None where its schema is not the newest.
    """

    url: str
    exists: bool
    revision: str | None = None
    newest: str | None = None
    sessions: int | None = None
    samples: int | None = None

    @property
    def up_to_date(self) -> bool:
        """Whether the schema is the one that this version writes."""
        return self.exists and self.revision == self.newest


def standing(url: str | Path) -> Standing:
    """How the database at a URL stands.

    Raises InvalidInput for an unusable URL and StorageError where what is there cannot be read.
    """
    parsed = parse_url(url)
    shown = parsed.render_as_string(hide_password=True)
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    path = sqlite_path(parsed)
    if parsed.get_backend_name() == "sqlite":
        if path is None or not path.exists():
            return Standing(shown, exists=False, newest=newest)
        # Opened for reading alone, or looking would create the journal's files.
        engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    else:
        engine = engine_for(parsed)
    try:
        with engine.connect() as connection:
            if not inspect(connection).get_table_names():
                return Standing(shown, exists=False, newest=newest)
            revision = MigrationContext.configure(connection).get_current_revision()
            found = Standing(shown, True, revision, newest)
            if not found.up_to_date:
                return found
            counts = [connection.scalar(select(func.count()).select_from(row)) for row in (SessionRow, SampleRow)]
            return Standing(shown, True, revision, newest, *counts)
    except (DBAPIError, UnicodeDecodeError) as error:
        raise unusable(parsed, error) from error
    finally:
        engine.dispose()
