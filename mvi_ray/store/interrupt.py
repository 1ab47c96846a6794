"""A query that ends when its user presses Ctrl-C."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

T = TypeVar("T")

_AGAIN_S = 0.1


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Run work on a connection in a thread, so that this one stays free for Ctrl-C.

    DuckDB looks for signals itself, but only while the calling thread has a part of the query: when
    its other threads have all of them, Ctrl-C waits for the end (2.0.0: two of eight tries on two cores).

    Args:
        connection: that the work, and nobody else, uses.
        work: runs a query and fetches its rows.

    Raises:
        KeyboardInterrupt: Ctrl-C, after the query has ended.
    """
    begun, stopped, ended = threading.Event(), threading.Event(), threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        begun.set()
        try:
            if not stopped.is_set():
                results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it belongs
            errors.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=run, name="mvi-query").start()
        # Not `join`: Python 3.11 takes a thread for ended when Ctrl-C comes during it.
        ended.wait()
    except KeyboardInterrupt:
        # A thread that has not begun by now sees this before it works.
        stopped.set()
        while begun.is_set() and not ended.is_set():
            # More than once: before a query runs there is nothing to interrupt. Nor may a second
            # Ctrl-C leave it behind, on a connection that is about to be closed.
            with suppress(KeyboardInterrupt):
                connection.interrupt()
                ended.wait(_AGAIN_S)
        raise
    if errors:
        raise errors[0]
    return results[0]
