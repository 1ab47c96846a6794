"""What was typed at the prompt, kept in a file that only its owner may read."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from prompt_toolkit.history import History

_OFF = "MVI_SQL_HISTORY"
# An entry begins with a line of its time, `# 2026-…`; lines of its text begin with a plus.
_ENTRIES = re.compile(rb"^(?=#)", re.MULTILINE)


def history_file() -> Path:
    """Where entries are kept: outside of any project, since queries may name patients."""
    named = os.environ.get("XDG_STATE_HOME", "")
    # The specification (XDG Base Directory 0.8) has relative paths ignored.
    state = Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "state"
    return state / "mvi" / "sql_history"


def open_history() -> History:
    """The history on disk, or one that ends with the program: `MVI_SQL_HISTORY=off`, or no place to write.

    Folder and file are made for the owner alone (0700 and 0600), also when they are there already.
    """
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    if os.environ.get(_OFF, "").strip().lower() == "off":
        return InMemoryHistory()
    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        # Made here, since prompt_toolkit would make it as the umask allows.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def forget(texts: Collection[str]) -> int:
    """Remove every entry that names one of the texts as a whole token, in upper or lower case.

    Tokens end where they do in the search for traces: `P1` is in ``patient_id = 'P1'``, in ``P1-2`` and in
    ``LIKE 'P1_%'``, but not in ``P10``. A quote may be doubled, as in SQL, and an accent may stand apart.

    Returns:
        How many entries were removed.

    Raises:
        OSError: the file cannot be read or written.
    """
    from mvi_ray.store.search.matcher import whole_token

    path = history_file()
    wanted = sorted({text for text in texts if text})
    if not wanted or not path.exists():
        return 0
    named = re.compile("|".join(map(whole_token, wanted)), re.IGNORECASE)
    before = _ENTRIES.split(path.read_bytes())
    after = [entry for entry in before if not named.search(_text(entry))]
    if len(after) < len(before):
        _replace(path.resolve(), b"".join(after))
    return len(before) - len(after)


def _text(entry: bytes) -> str:
    """What was typed: a year in the line of the time is no pseudonym."""
    lines = entry.decode("utf-8", errors="replace").split("\n")
    return "\n".join(line.removeprefix("+") for line in lines if not line.startswith("#"))


def _replace(path: Path, content: bytes) -> None:
    """Exchange the file as a whole; a temporary file is its owner's alone from the start."""
    handle, name = tempfile.mkstemp(prefix=".sql_history-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
