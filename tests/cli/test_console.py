"""What commands print: formats of a query's result, errors on one line."""

from __future__ import annotations

import io
import json
import math
import time

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from mvi_ray.cli import console, streams
from mvi_ray.cli.console import Output
from mvi_ray.cli.progress import progress
from mvi_ray.errors import UsageError


@pytest.fixture
def table():
    """Text, numbers that JSON does not have, a list and nothing."""
    return pa.table(
        {
            "name": ['O\'Neil, "Jr"', "ü"],
            "value": [math.nan, math.inf],
            "embedding": pa.array([[1.0, math.nan], None], pa.list_(pa.float64())),
            "note": pa.array([None, "x"], pa.string()),
        }
    )


def _strict(text):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def test_json_has_null_where_a_number_is_none(table, capsys):
    """NaN and Infinity are no JSON, alone or in a list."""
    console.result(table, Output.json, None)
    assert _strict(capsys.readouterr().out) == [
        {"name": 'O\'Neil, "Jr"', "value": None, "embedding": [1.0, None], "note": None},
        {"name": "ü", "value": None, "embedding": None, "note": "x"},
    ]


def test_csv_reads_back(table, capfdbinary):
    """Lists become JSON text, quotes are doubled, NULL is an empty cell."""
    console.result(table, Output.csv, None)
    out = capfdbinary.readouterr().out
    back = pacsv.read_csv(
        io.BytesIO(out),
        convert_options=pacsv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    )
    assert back.column("name").to_pylist() == table.column("name").to_pylist()
    assert back.column("note").to_pylist() == [None, "x"]
    assert _strict(back.column("embedding").to_pylist()[0]) == [1.0, None]


def test_parquet_reads_back_from_stdout_and_from_a_file(table, capfdbinary, tmp_path):
    """Bit for bit, with its types."""
    console.result(table, Output.parquet, None)
    assert pq.read_table(io.BytesIO(capfdbinary.readouterr().out)).schema == table.schema
    console.result(table, Output.parquet, tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").column("name") == table.column("name")
    assert capfdbinary.readouterr().out == b""


def test_a_table_shows_its_first_rows_and_says_how_many_more(capsys):
    """Two hundred are enough for a screen."""
    console.result(pa.table({"n": range(1000)}), Output.table, None)
    out = capsys.readouterr().out
    assert "800 more rows; --format csv shows all" in out
    assert [int(line.strip("│ ")) for line in out.splitlines()[4:204]] == list(range(200))


@pytest.mark.parametrize("output", list(Output))
def test_a_result_without_rows_is_a_result(output, capfdbinary):
    """Every format has a way to say so."""
    console.result(pa.table({"n": pa.array([], pa.int64())}), output, None)
    assert capfdbinary.readouterr().out != b""


@pytest.mark.parametrize("output", list(Output))
def test_a_file_that_cannot_be_written_is_an_error_of_ours(table, output, tmp_path):
    """Not a traceback."""
    with pytest.raises(UsageError, match="cannot be written"):
        console.result(table, output, tmp_path / "absent" / "x")


def test_a_long_error_stays_on_one_line_and_is_not_interpreted(capsys):
    """Logs are read line by line; brackets are not markup."""
    message = (
        "[bold]P07 AP[/bold]: " + "mask is empty after resampling to 1 mm, " * 6 + "; lower `spacing_mm`"
    )
    streams.error(message)
    assert capsys.readouterr() == ("", f"error: {message}\n")


def test_progress_goes_to_stderr_in_few_lines(capsys):
    """Quick work has a first and a last one."""
    with progress() as show:
        for step in range(101):
            show("extract CR", step, 100, f"{step} of 100 VOIs")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["extract CR: 0 %, 0 of 100 VOIs", "extract CR: 100 %, 100 of 100 VOIs"]


def test_progress_of_json_is_an_event_on_each_line(capsys, monkeypatch):
    """The first, the last, and one each second between them; results have stdout for themselves."""
    clock = iter(range(0, 1000, 1))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock) / 4)
    with progress(as_json=True) as show:
        for step in range(101):
            counts = {"done": step, "of": 100, "failed": 0}
            show("extract CR", step, 100, f"{step} of 100 VOIs", left_s=100.0 - step, counts=counts)
    out, err = capsys.readouterr()
    assert out == ""
    events = [json.loads(line) for line in err.splitlines()]
    assert events[0] == {
        "event": "progress",
        "task": "extract CR",
        "share": 0.0,
        "left_s": 100.0,
        "note": "0 of 100 VOIs",
        "done": 0,
        "of": 100,
        "failed": 0,
    }
    assert (events[-1]["done"], events[-1]["left_s"], events[-1]["share"]) == (100, None, 1.0)
    assert 0 < len(events) < 101


def test_time_left_is_what_the_work_says(capsys, monkeypatch):
    """Counts mislead where the largest come first; without a word of the work the share decides."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with progress() as show:
        show("extract CR", 0, 100, "0 of 100 VOIs")
        show("ingest", 0, 100, "0 of 100 images")
        clock[0] = 20.0
        show("extract CR", 50, 100, "1 of 100 VOIs", left_s=7.0)
        show("ingest", 50, 100, "50 of 100 images")
    assert capsys.readouterr().err.splitlines()[2:] == [
        "extract CR: 50 %, 1 of 100 VOIs, about 7 s left",
        "ingest: 50 %, 50 of 100 images, about 20 s left",
    ]


def test_nothing_to_do_is_one_event(capsys):
    """No division by it."""
    with progress(as_json=True) as show:
        show("extract CR", 0, 0)
        show("extract CR", 0, 0)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["share"] == 1.0
