"""The prompt: what is typed is run, shown, and survived."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from mvi_ray.cli import shell
from mvi_ray.cli.names import Names
from mvi_ray.cli.shell import run_shell
from mvi_ray.errors import QueryError
from mvi_ray.project.sql_history import history_file

_NAMES = Names({"cr": "one row per VOI and image type", "dlr": ""}, {"cr": {"phase": "VARCHAR"}, "dlr": {}})
_CTRL_C, _CTRL_D, _UP = "\x03", "\x04", "\x1b[A"


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MVI_SQL_HISTORY", raising=False)


@pytest.fixture
def typed(capfd):
    """Type keys at the prompt, then Ctrl-D; returns the queries, standard output and error."""

    def run(*keys, answer=None):
        asked = []

        def query(text):
            asked.append(text)
            return (answer or (lambda _: pa.table({"n": [1, 2]})))(text)

        with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
            keyboard.send_text("".join(keys) + _CTRL_D)
            run_shell(query, _NAMES, title="study tiny, 2 patients; .help for help")
        return asked, *capfd.readouterr()

    return run


def test_a_statement_runs_when_it_has_its_semicolon(typed):
    """Enter alone begins another line."""
    asked, out, err = typed("SELECT n\r", "FROM cr;\r")
    assert asked == ["SELECT n\nFROM cr;"]
    lines = out.splitlines()
    assert lines[0] == "study tiny, 2 patients; .help for help"
    assert "│     2 │" in lines
    assert re.fullmatch(r"2 rows in \d+\.\d\d s", lines[-1])
    assert err == ""


def test_several_statements_of_one_line_run_one_after_the_other(typed):
    """As in the shells of DuckDB and SQLite."""
    assert typed("SELECT 1; SELECT ';';\r")[0] == ["SELECT 1;", "SELECT ';';"]


def test_an_empty_line_asks_nothing(typed):
    """Nor does a comment."""
    assert typed("\r", "  \r", "-- x\r;\r")[0] == []


def test_an_error_is_one_red_line_and_the_shell_goes_on(typed):
    """Without the drawing of DuckDB."""

    def answer(text):
        if "nope" in text:
            raise QueryError(
                'Binder Error: no "nope"!\nCandidates: "n"\n\nLINE 1: SELECT nope\n               ^'
            )
        return pa.table({"n": [7]})

    asked, out, err = typed("SELECT nope;\r", "SELECT 7;\r", answer=answer)
    assert len(asked) == 2
    assert err == 'error: Binder Error: no "nope"! Candidates: "n"\n'
    assert "1 row in" in out


def test_what_is_no_error_of_ours_is_not_hidden(typed):
    """A defect of the program shows its traceback."""

    def answer(_):
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError, match="defect"):
        typed("SELECT 1;\r", answer=answer)


def test_ctrl_c_clears_the_line(typed):
    """And leaves nothing of it."""
    assert typed("SELECT 1", _CTRL_C, "SELECT 2;\r")[0] == ["SELECT 2;"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, lambda: RuntimeError("Query interrupted")])
def test_a_stopped_query_is_said_to_be_stopped(typed, stop):
    """DuckDB has an error of its own for it."""

    def answer(_):
        raise stop()

    assert typed("SELECT 1;\r", answer=answer)[2] == "error: stopped\n"


@pytest.mark.parametrize("word", [".quit", ".exit", "quit", "exit;", "QUIT"])
def test_ways_to_leave(typed, word):
    """With and without a dot; what comes after is not read."""
    assert typed(f"{word}\r", "SELECT 1;\r")[0] == []


def test_help_names_every_command(typed):
    """And what a statement ends with."""
    out = typed("help\r")[1]
    for text in (".views", ".columns VIEW", ".format FORMAT", ".output FILE", ".quit", "ends with `;`"):
        assert text in out


def test_views_and_columns(typed):
    """With their comments and types."""
    out = typed(".views\r", ".columns CR\r")[1]
    assert "cr   one row per VOI and image type\ndlr\n" in out
    assert "phase  VARCHAR\n" in out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (".nope", "there is no command .nope; `.help` lists them"),
        (".columns", ".columns takes a view; `.help` shows how"),
        (".columns nope", "there is no view nope; `.views` lists them"),
        (".views all", ".views takes nothing; `.help` shows how"),
        (".format xml", "there is no format xml; choose one of table, csv, json"),
        (".output result", "result has no ending of .csv, .json, .parquet; add the one you want"),
        (".output absent/x.csv", "there is no folder absent; make it, or choose another"),
    ],
)
def test_a_wrong_command_gets_a_hint(typed, command, message):
    """And the shell goes on."""
    asked, _, err = typed(f"{command}\r", "SELECT 1;\r")
    assert (asked, err) == (["SELECT 1;"], f"error: {message}\n")


def test_formats_are_those_of_the_command(typed):
    """Until another one is chosen."""
    out = typed(
        ".format csv\r", "SELECT 1;\r", ".format json\r", "SELECT 1;\r", ".format table\r", "SELECT 1;\r"
    )[1]
    assert '"n"\n1\n2\n' in out
    assert json.loads(next(line for line in out.splitlines() if line.startswith("["))) == [{"n": 1}, {"n": 2}]
    assert out.count("│ int64 │") == 1


def test_output_is_for_the_next_result(typed, tmp_path):
    """An error does not use it up; the result after it is on the screen again."""
    target = tmp_path / "result.csv"

    def answer(text):
        if "nope" in text:
            raise QueryError("no; yes")
        return pa.table({"n": [5 if "5" in text else 6]})

    keys = (f".output {target}\r", "SELECT nope;\r", "SELECT 5;\r", "SELECT 6;\r")
    out = typed(*keys, answer=answer)[1]
    assert pacsv.read_csv(target).to_pylist() == [{"n": 5}]
    assert "written to result.csv" in out
    assert "│     6 │" in out
    assert "│     5 │" not in out


def test_rows_beyond_the_limit_are_counted(typed, monkeypatch):
    """None is lost below it."""
    monkeypatch.setattr(shell, "SHOWN", 300)
    for rows, more in ((300, ""), (1300, "; 1,000 are not shown, `.output FILE` writes all")):
        out = typed("SELECT 1;\r", answer=lambda _, rows=rows: pa.table({"n": range(rows)}))[1]
        assert len(re.findall(r"^│ +\d+ │$", out, re.MULTILINE)) == 300
        assert re.search(rf"^{rows:,} rows in [\d.]+ s{more}$", out, re.MULTILINE)


def test_every_column_is_drawn(typed):
    """However many; the pager scrolls sideways."""
    out = typed("FROM cr;\r", answer=lambda _: pa.table({f"column_{i}": [i] for i in range(120)}))[1]
    assert all(f" column_{i} " in out for i in range(120))


def test_a_plan_is_drawn_as_duckdb_draws_it(typed):
    """Its lines are lines."""
    plan = pa.table({"explain_key": ["physical_plan"], "explain_value": ["╭─ Scan ─╮\n╰────────╯\n"]})
    assert "╭─ Scan ─╮\n╰────────╯\n" in typed("EXPLAIN FROM cr;\r", answer=lambda _: plan)[1]


def test_what_was_typed_comes_back_in_the_next_shell(typed):
    """From the file."""
    typed("SELECT 1;\r")
    assert list(FileHistory(history_file()).load_history_strings()) == ["SELECT 1;"]
    assert typed(_UP, "\r")[0] == ["SELECT 1;"]


def test_start_up_does_not_load_it(run_python):
    """`mvi --help` is asked for often."""
    done = run_python(
        "import mvi_ray.cli.shell, sys; print('prompt_toolkit' in sys.modules, 'duckdb' in sys.modules)"
    )
    assert (done.stdout, done.stderr) == ("False False\n", "")


_SCRIPT = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C becomes a signal, as in a real terminal
from mvi_ray.cli.names import read_names
from mvi_ray.cli.shell import run_shell
from mvi_ray.project import Project
from mvi_ray.store.interrupt import interruptible
project = Project(sys.argv[1])
def query(text):
    print("running", flush=True)
    with project.store.connect() as connection:
        return interruptible(connection, lambda: connection.sql(text).to_arrow_table())
run_shell(query, read_names(query), title="study tiny")
print("left in peace")
"""


class _Terminal:
    """A process in a terminal of its own, 100 × 30."""

    def __init__(self, *command, **env):
        self._ours, theirs = pty.openpty()
        self._got, self._seen = b"", 0
        surroundings = {k: v for k, v in os.environ.items() if k not in ("PAGER", "LESS", "COLUMNS", "LINES")}
        size = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**surroundings, **size, **env},
        )
        os.close(theirs)

    def type(self, text):
        os.write(self._ours, text.encode())

    def read_until(self, text, seconds=60):
        """What is printed up to a text and was not read before, without colours and moves of the cursor."""
        end = time.monotonic() + seconds
        while True:
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._got.decode(errors="replace"))
            at = plain.find(text, self._seen)
            if at >= 0:
                before, self._seen = self._seen, at + len(text)
                return plain[before : self._seen]
            assert time.monotonic() < end, plain
            if select.select([self._ours], [], [], 0.2)[0]:
                self._got += os.read(self._ours, 65536)

    def close(self):
        os.close(self._ours)
        self.process.kill()
        self.process.wait()


def test_a_query_typed_in_a_terminal_is_answered(extracted):
    """A result, a page, a stopped query, and the end."""
    extracted.open().refresh()
    terminal = _Terminal(sys.executable, "-c", _SCRIPT, str(extracted.folder), PAGER="sed s/^/paged/")
    try:
        terminal.read_until("mvi>")
        terminal.type("SELECT count(*) AS n\rFROM cr;\r")
        shown = terminal.read_until("1 row in")
        assert "...>" in shown
        assert "│    16 │" in shown
        assert "paged" not in shown
        terminal.read_until("mvi>")
        terminal.type("SELECT * FROM range(50);\r")
        assert terminal.read_until("50 rows in").count("paged│") == 52
        terminal.read_until("mvi>")
        terminal.type("SELECT sum(a.range * b.range % 7) FROM range(2000000) a, range(1000000) b;\r")
        terminal.read_until("running")
        time.sleep(0.5)
        terminal.type(_CTRL_C)
        terminal.read_until("error: stopped")
        terminal.read_until("mvi>")
        terminal.type(_CTRL_D)
        terminal.read_until("left in peace")
        assert terminal.process.wait(timeout=30) == 0
    finally:
        terminal.close()
