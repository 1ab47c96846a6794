"""Ctrl-C ends a query, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time

import duckdb
import pytest

from mvi_ray.store.interrupt import interruptible

# Hours on any machine.
_LONG = "SELECT sum(a.range * b.range % 7) FROM range(20_000_000) a, range(1_000_000_000) b"


@pytest.fixture(autouse=True)
def _handler():
    """That of a fresh process: one that a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("delay_s", [0.0, 0.0001, 0.001, 0.02, 0.3, 0.5, 0.6, 0.7])
def test_ctrl_c_ends_a_query(delay_s):
    """At any time, in a second or so; the connection answers the next one."""
    with duckdb.connect() as connection:
        ctrl_c = threading.Timer(delay_s, os.kill, [os.getpid(), signal.SIGINT])

        def work():
            ctrl_c.start()
            return connection.sql(_LONG).to_arrow_table()

        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            interruptible(connection, work)
        assert time.monotonic() - begin < 30
        ctrl_c.join()
        assert interruptible(connection, lambda: connection.sql("SELECT 7").fetchall()) == [(7,)]


def test_an_error_is_that_of_the_query():
    """With its class."""
    with duckdb.connect() as connection, pytest.raises(duckdb.CatalogException, match="nope"):
        interruptible(connection, lambda: connection.sql("FROM nope").fetchall())


def test_a_second_ctrl_c_does_not_leave_the_query_behind():
    """People press it until something happens."""
    with duckdb.connect() as connection:
        presses = [
            threading.Timer(0.3 + after, os.kill, [os.getpid(), signal.SIGINT]) for after in (0, 0.001)
        ]
        interrupt = connection.interrupt

        class Slow:
            """A connection that takes its time to be interrupted."""

            def interrupt(self):
                time.sleep(0.2)
                interrupt()

        for press in presses:
            press.start()
        with pytest.raises(KeyboardInterrupt):
            interruptible(Slow(), lambda: connection.sql(_LONG).to_arrow_table())
        assert connection.sql("SELECT 7").fetchall() == [(7,)]
