"""The memo's SQLite file, which may be damaged, or a stranger's, made to hang its reader or to lead it elsewhere.

It is opened only if it is a regular file, and so is what SQLite keeps beside it; it is read only if it has the
memo's two tables and nothing else, and for a bounded number of steps.
"""

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from featx.files import open_file

OTHERS_WORK = 10.0
"""Seconds to wait for another process's transaction."""

DAMAGE = (sqlite3.Error, ValueError, OverflowError)
"""What SQLite raises for a file that is damaged; text that is no UTF-8 is a ValueError."""

NOT_OURS = {
    sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_INTERRUPT,
}  # fmt: skip
"""Codes of errors after which the file is set aside."""

_APPLICATION = 0x66656174  # "feat": SQLite's field for telling whose file it is
_VERSION = 2
_LARGEST = 1 << 31  # bytes of the file; four times a full memo
_MAGIC = bytes.fromhex("d9d505f920a163d7")  # at the end of a journal: a name stands before it
_BESIDE = ("-journal", "-wal", "-shm")
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1 << 24, sqlite3.SQLITE_LIMIT_ATTACHED: 0, sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
}  # fmt: skip
_STEPS, _STRIDE = 30_000_000, 1_000_000  # of SQLite's machine: twice what reading a full memo takes
_STEPS_A_ROW = 500  # ten times what finding or writing one takes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    age INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE,
    size INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER, image BLOB, digest BLOB);
CREATE TABLE IF NOT EXISTS recipe (age INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT, digest BLOB);
"""

_TABLES = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
_OURS = {
    " ".join(table.replace("IF NOT EXISTS ", "").split()) for table in _SCHEMA.split(";") if table.strip()
}


def connect(path: Path, mode: str, rows: int, wait: float = OTHERS_WORK) -> sqlite3.Connection:
    """Open the file; raises `DAMAGE`, and so does what takes too many steps later.

    Parameters
    ----------
    path
        The file.
    mode
        ``rw``, or ``rwc`` to make it.
    rows
        How many are asked for or written, if that is known.
    wait
        Seconds to wait for other processes.
    """
    for suffix in ("", *_BESIDE):
        status = None
        with suppress(OSError):  # SQLite says it better
            status = Path(f"{path}{suffix}").lstat()
        if status and (not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST):
            raise _foreign(f"{path.name}{suffix} is no file of a memo")
    if _names_another(Path(f"{path}-journal")):
        raise _foreign(f"{path.name}-journal belongs to several databases")
    database = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=wait, isolation_level=None)
    for limit, value in _LIMITS.items():
        database.setlimit(limit, value)
    # pages that lead to one another can be read for ever
    left = iter(range((_STEPS + _STEPS_A_ROW * rows) // _STRIDE))
    database.set_progress_handler(lambda: next(left, None) is None, _STRIDE)
    database.execute("PRAGMA trusted_schema = OFF")  # a stranger's file runs no code of its own
    # a kill loses nothing by that; where the power fails, a memo may, which costs time only, as each write would
    database.execute("PRAGMA synchronous = OFF")
    return database


def _names_another(journal: Path) -> bool:
    """Tell whether a journal names another one, as those of several databases do: SQLite would delete that file."""
    with suppress(OSError), open_file(journal) as file:
        file.seek(-len(_MAGIC), os.SEEK_END)
        return file.read() == _MAGIC
    return False


def set_aside(path: Path) -> None:
    """Rename the file, so that a new one can be begun; what prevents that is ignored."""
    for suffix in _BESIDE:  # must not be rolled back into the new file
        with suppress(OSError):
            Path(f"{path}{suffix}").unlink()
    with suppress(OSError):
        path.replace(f"{path}.damaged")


def is_ours(database: sqlite3.Connection) -> bool:
    """Tell whether the file is a memo of this version, with its two tables and nothing else: no view, no trigger."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    found = {" ".join(sql.split()) for (sql,) in database.execute(_TABLES)}
    return (application, version) == (_APPLICATION, _VERSION) and found == _OURS


def claim(database: sqlite3.Connection) -> None:
    """Make the tables in a new file; raise in a file that belongs to something else."""
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_VERSION}")
    elif not is_ours(database):
        raise _foreign("the file is no memo of this version")


def _foreign(reason: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error
