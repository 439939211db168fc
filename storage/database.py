"""One database, opened by URL, migrated to the newest schema, used through explicit transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from storage.columns import UnwrittenValue
from tools.errors import InvalidInput, NoDatabase, StorageError
from tools.text import unstorable_in

DEFAULT_URL = "sqlite:///agenttts.db"
MIGRATIONS = Path(__file__).parent / "migrations"
DRIVERS = frozenset({"sqlite", "sqlite+pysqlite", "postgresql+psycopg"})
BUSY_TIMEOUT_MS = 30_000
CHECKPOINT_PAGES = 8000
"""Pages of SQLite's write-ahead log, 32 MB, before they are written into the database file."""
MIGRATION_LOCK = 5_390_001
"""The number of the advisory lock under which PostgreSQL databases are migrated."""


class Database:
    """An open database. Make one with `Database.open`; close it or use it as a context manager."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = _writing(engine)
        # A database in memory has one connection for all threads: they take turns.
        self._turn: AbstractContextManager[Any] = RLock() if isinstance(engine.pool, StaticPool) else nullcontext()

    @classmethod
    def open(cls, url: str | Path = DEFAULT_URL) -> Database:
        """Opens a database, creating it and bringing its schema up to date where needed.

        `url` is a SQLAlchemy URL or the path of a SQLite file. Raises InvalidInput for an unusable
        URL, NoDatabase where it names none, StorageError for a database that cannot be used; none
        of them changes it.
        """
        parsed = parse_url(url)
        engine = engine_for(parsed)
        try:
            _migrate(engine)
        except (DBAPIError, CommandError, UnicodeDecodeError) as error:
            engine.dispose()
            raise unusable(parsed, error) from error
        return cls(engine)

    @property
    def url(self) -> str:
        """The URL with its password hidden."""
        return self.engine.url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None in memory or on a server."""
        return sqlite_path(self.engine.url)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A unit of work that may write: committed when the block ends, rolled back when it raises.

        On SQLite it waits for its turn to write before it reads, so that what it reads stays true.
        Raises StorageError when the database fails.
        """
        with self._unit(self._writing) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A unit of work that reads alone; on SQLite it waits for no writer. Raises StorageError."""
        with self._unit(self.engine) as session:
            yield session

    @contextmanager
    def _unit(self, engine: Engine) -> Iterator[Session]:
        try:
            with self._turn, Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (DBAPIError, UnicodeDecodeError) as error:
            raise unusable(self.engine.url, error) from error
        except UnwrittenValue as error:
            raise StorageError(f"database {self.url}: {error}; restore a copy") from error

    @contextmanager
    def joined(self) -> Iterator[Database]:
        """This database with all its transactions as one: committed when the block ends, rolled back when it raises."""
        with self.transaction() as session:
            yield _Joined(self.engine, session)

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """This database for reading as it stands at this moment, whatever others write meanwhile."""
        with self.reading() as session:
            if self.engine.dialect.name != "sqlite":
                # Otherwise every statement would see the newest state.
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield _Joined(self.engine, session)

    def close(self) -> None:
        """Releases every connection."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Joined(Database):
    """A database within one transaction of it."""

    def __init__(self, engine: Engine, session: Session) -> None:
        super().__init__(engine)
        self._session = session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        yield self._session
        self._session.flush()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        yield self._session


def parse_url(url: str | Path) -> URL:
    """The database URL in a text or path. Raises InvalidInput."""
    text = str(url)
    if (character := unstorable_in(text)) is not None:
        raise InvalidInput("storage", f"holds the character {character}, which no name has; name another")
    if isinstance(url, Path) or "://" not in text:
        if not text:
            raise InvalidInput("storage", "is empty; give a file or a URL such as sqlite:///agenttts.db")
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):
        raise InvalidInput("storage", "is not a database URL; use sqlite:///FILE or postgresql://HOST/NAME") from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise InvalidInput(
            "storage",
            f"{parsed.get_backend_name()!r} is not supported; use sqlite:///FILE or postgresql://HOST/NAME",
        )
    if parsed.drivername not in DRIVERS:
        raise InvalidInput("storage", f"the driver of {parsed.drivername!r} is not supported; leave it out")
    if any("password" in name for name in parsed.query) or (parsed.query and parsed.get_backend_name() == "sqlite"):
        # Where URLs are shown, the password before the host is hidden, and a query is not.
        raise InvalidInput("storage", "takes neither options of SQLite nor a password behind the '?'; leave them out")
    return parsed


def full_url(url: str | Path) -> str:
    """The URL that opens the same database from every folder, with its password. Raises InvalidInput."""
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        parsed = parsed.set(database=str(path.absolute()))
    return parsed.render_as_string(hide_password=False)


def shown_url(url: str | Path) -> str:
    """A database URL as people may see it: its password hidden. Raises InvalidInput."""
    return parse_url(url).render_as_string(hide_password=True)


def url_without_password(url: str | Path) -> str:
    """A database URL as it may be kept. Raises InvalidInput."""
    return parse_url(url)._replace(password=None).render_as_string()


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite URL, None for another or an in-memory database."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def engine_for(url: URL) -> Engine:
    """An engine that is not yet connected. Raises InvalidInput for what this place cannot open."""
    if url.get_backend_name() == "postgresql":
        try:
            return create_engine(url, pool_pre_ping=True)
        except (ImportError, NoSuchModuleError):
            raise InvalidInput("storage", 'PostgreSQL needs psycopg: pip install "agenttts[postgresql]"') from None
    path = sqlite_path(url)
    if path is None:
        # One shared connection, or every thread would see its own empty database.
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        if not path.parent.is_dir():
            raise InvalidInput("storage", f"the folder {path.parent} does not exist; create it or name another file")
        engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _writing(engine: Engine) -> Engine:
    """The same engine, its transactions meant for writing."""
    return engine.execution_options(agenttts_writes=True)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once where another wrote in between,
    # however long it may wait; one that begins as a writer waits for its turn.
    writes = connection.get_execution_options().get("agenttts_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions itself, and not before the first write
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode = WAL")
        # NORMAL may lose the last commits on a power cut, and a generation is promised to be on
        # disk before its trial goes on.
        cursor.execute("PRAGMA synchronous = FULL")
        # Samples have random keys, so that each commit touches pages all over the index: those that
        # several commits touch are written into the file once.
        cursor.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    finally:
        cursor.close()


def _migrate(engine: Engine) -> None:
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == _newest_schema():
            return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with _writing(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            # One process migrates, those beside it wait and find it done.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@cache
def _newest_schema() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def unusable(url: URL, error: Exception) -> StorageError:
    """What is wrong with a database, in one line with what to do about it."""
    where = url.render_as_string(hide_password=True)
    cause = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
    if isinstance(error, CommandError) and "Can't locate revision" in cause:
        return StorageError(f"database {where}: was written by a newer agenttts; upgrade agenttts to open it")
    faults = {
        "not a database": "is not a SQLite database; name another file, or restore a copy if it was one",
        "unable to open": "cannot be opened; check the path and its permissions",
    }
    if fault := next((text for sign, text in faults.items() if sign in cause), ""):
        return NoDatabase("storage", f"{where} {fault}")
    hints = {
        "locked": "another program holds it; stop that one or wait",
        "locking protocol": "another program holds it; stop that one or wait",
        "readonly": "it is read-only; check the file's permissions",
        "malformed": "it is damaged; restore a copy",
        "disk is full": "the disk is full; make room",
        "disk I/O error": "the disk is full or fails; make room or name a file elsewhere",
    }
    if isinstance(error, UnicodeDecodeError):
        cause = "malformed: what SQLite says of it is no text"
    hint = next((text for sign, text in hints.items() if sign in cause), "")
    return StorageError(f"database {where}: {hint or cause}")
