"""How far long work has come: a bar on a terminal, lines in a log."""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from mvi_ray.cli.streams import err, error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.project.progress import Progress

_STOPPED = "stopped; what was finished is kept, and the same command goes on from there"


@contextmanager
def progress(*, hide: bool = False) -> Iterator[Progress]:
    """A bar with time left on a terminal, else a line of text now and then; Ctrl-C ends in peace."""
    try:
        with _shown(hide=hide) as show:
            yield show
    except KeyboardInterrupt:
        # Caught here, since Typer ends the process on it without a word.
        error(_STOPPED)
        raise typer.Exit(130) from None


@contextmanager
def _shown(*, hide: bool) -> Iterator[Progress]:
    if hide or not sys.stderr.isatty():
        yield _Lines(hide)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err()) as bars:
        tasks: dict[str, Any] = {}

        def show(task: str, done: float, total: float, note: str = "") -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total, note=note)
            bars.update(tasks[task], completed=done, total=total, note=note)

        yield show


class _Lines:
    """Progress for logs: the start, the end, and a line now and then between them.

    Args:
        hide: print nothing.
    """

    # A tenth of the work makes a line, but not more often than this; silence never lasts longer.
    _SOONEST_S, _LATEST_S = 10.0, 60.0

    def __init__(self, hide: bool) -> None:
        self._hide = hide
        self._begin: dict[str, float] = {}
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        import time

        now = time.monotonic()
        begin = self._begin.setdefault(task, now)
        tenth = int(10 * done / total) if total else 10
        said_at, said = self._last.get(task, (-math.inf, -1))
        since = now - said_at
        due = tenth == 10 or (tenth > said and since >= self._SOONEST_S) or since >= self._LATEST_S
        if self._hide or not due or said == 10:
            return
        self._last[task] = (now, tenth)
        left = ""
        if 0 < done < total and now - begin >= self._SOONEST_S:
            left = f", about {duration((now - begin) * (total - done) / done)} left"
        err().print(f"{task}: {100 * done / total if total else 100:.0f} %, {note}{left}")


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
