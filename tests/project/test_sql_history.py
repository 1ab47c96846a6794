"""What the prompt keeps on disk, and how a patient is taken out of it."""

from __future__ import annotations

import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.history import FileHistory, InMemoryHistory

from mvi_ray.project.sql_history import forget, history_file, open_history


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MVI_SQL_HISTORY", raising=False)


def _write(*entries):
    history = open_history()
    for entry in entries:
        history.append_string(entry)


def _read():
    return list(FileHistory(history_file()).load_history_strings())[::-1]


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_read_it():
    """Whatever the umask says, and also when it was made otherwise before."""
    history_file().parent.mkdir(parents=True)
    history_file().touch()
    history_file().parent.chmod(0o755)
    history_file().chmod(0o644)
    _write("SELECT 1;")
    assert (_mode(history_file()), _mode(history_file().parent)) == (0o600, 0o700)
    forget(["1"])
    assert _mode(history_file()) == 0o600


def test_it_lies_in_the_state_folder_of_the_user(tmp_path, monkeypatch):
    """A relative one does not count."""
    assert history_file() == tmp_path / "state" / "mvi" / "sql_history"
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        assert history_file() == tmp_path / ".local" / "state" / "mvi" / "sql_history"


def test_it_can_be_turned_off(monkeypatch):
    """Nothing is written then."""
    monkeypatch.setenv("MVI_SQL_HISTORY", "off")
    _write("SELECT 1;")
    assert not history_file().parent.exists()


def test_without_a_place_to_write_it_ends_with_the_program(monkeypatch):
    """A home that cannot be written is no reason to refuse a query."""
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    assert isinstance(open_history(), InMemoryHistory)


def test_forget_removes_what_names_a_patient():
    """As a whole token, over several lines, in either case; the others stay as they are."""
    kept = ["SELECT * FROM cr WHERE patient_id = 'P10';", "SELECT 'XP1', 'P1é'", "SELECT\n  1;"]
    _write(kept[0], "SELECT * FROM cr\nWHERE patient_id = 'P1';", kept[1], "select 'p1-b'", kept[2])
    times = [line for line in history_file().read_text().splitlines() if line.startswith("#")]
    assert forget(["P1"]) == 2
    assert _read() == kept
    assert [line for line in history_file().read_text().splitlines() if line.startswith("#")] == times[::2]
    assert list(history_file().parent.iterdir()) == [history_file()]


def test_forget_knows_a_doubled_quote():
    """SQL writes O'Neil as 'O''Neil'."""
    _write("SELECT 'O''Neil'", 'SELECT "O\'Neil"', "SELECT 'ONeil'")
    assert forget(["O'Neil"]) == 2
    assert _read() == ["SELECT 'ONeil'"]


@pytest.mark.parametrize("text", ["P1_AP", "x_P1", "LIKE 'P1_%'", "LIKE '%P1%'", "P1-2", "id%3DP1"])
def test_what_ends_a_token_of_the_search_ends_one_here(text):
    """An underscore joins a pseudonym to a phase, and is a sign of LIKE."""
    _write(f"SELECT {text}")
    assert forget(["P1"]) == (0 if "3DP1" in text else 1)


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("given_", ["NFC", "NFD"])
def test_forget_knows_accents_that_stand_apart(typed, given_):
    """Keyboards differ in that; so do file systems that a name was copied from."""
    names = ("Müller 7", "Zoë's 1")
    for name in names:
        _write("SELECT '" + unicodedata.normalize(typed, name).replace("'", "''") + "'")
    _write("SELECT 'Muller 7'")
    assert forget([unicodedata.normalize(given_, name) for name in names]) == 2
    assert _read() == ["SELECT 'Muller 7'"]


def test_a_time_is_no_pseudonym():
    """Each entry has one above it, with a year in it."""
    _write("SELECT 1;")
    year = history_file().read_text().split()[1].split("-")[0]
    assert forget([year]) == 0
    assert _read() == ["SELECT 1;"]


def test_nothing_to_forget_is_no_error(tmp_path):
    """No file, no text, an empty text."""
    assert forget(["P1"]) == 0
    _write("SELECT 1;")
    assert forget([]) == forget([""]) == 0
    assert not Path(tmp_path / "state" / "mvi" / "other").exists()


def test_a_shell_that_is_open_writes_on():
    """Its next entry goes to the file that stands there now."""
    history = open_history()
    history.append_string("SELECT 'P1'")
    assert forget(["P1"]) == 1
    history.append_string("SELECT 2")
    assert _read() == ["SELECT 2"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_what_names_nobody_stays(entries):
    """To the letter, with any signs in it."""
    history_file().unlink(missing_ok=True)
    _write(*entries, "SELECT 'patient-7'")
    before = _read()
    named = sum("patient-7" in entry.lower() for entry in entries)
    assert forget(["patient-7"]) == 1 + named
    assert _read() == before[: len(before) - 1 - named]
