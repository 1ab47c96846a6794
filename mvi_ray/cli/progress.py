"""How far long work has come: a bar on a terminal, lines in a log, events for a program."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from mvi_ray.cli.streams import err, error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mvi_ray.project.progress import Progress

_STOPPED = "stopped; what was finished is kept, and the same command goes on from there"


@contextmanager
def progress(*, as_json: bool = False) -> Iterator[Progress]:
    """Show progress on standard error; Ctrl-C ends in peace.

    Args:
        as_json: an event on each line, as a JSON object, instead of a bar or text.
    """
    try:
        with _shown(as_json=as_json) as show:
            yield show
    except KeyboardInterrupt:
        # Caught here, since Typer ends the process on it without a word.
        error(_STOPPED)
        raise typer.Exit(130) from None


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Progress]:
    if as_json:
        with _warnings_as_events():
            yield _Events()
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=err()) as bars:
        tasks: dict[str, Any] = {}
        clock = _Clock()

        def show(
            task: str,
            done: float,
            total: float,
            note: str = "",
            *,
            left_s: float | None = None,
            counts: Mapping[str, float] | None = None,  # noqa: ARG001 - the note says them
        ) -> None:
            left = clock.left(task, done, total, left_s)
            shown = "" if left is None else f"{duration(left)} left"
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total, note=note, left=shown)
            bars.update(tasks[task], completed=done, total=total, note=note, left=shown)

        yield show


class _Clock:
    """Time left of each task: what the work says, else from the share that is behind."""

    # Before this a rate says nothing.
    _SOONEST_S = 10.0

    def __init__(self) -> None:
        self._begin: dict[str, float] = {}

    def left(self, task: str, done: float, total: float, left_s: float | None) -> float | None:
        """Seconds; None when nobody knows, or nothing is left."""
        now = time.monotonic()
        begin = self._begin.setdefault(task, now)
        if done >= total:
            return None
        if left_s is not None:
            return left_s
        if done <= 0 or now - begin < self._SOONEST_S:
            return None
        return (now - begin) * (total - done) / done


class _Lines:
    """Progress for logs: the start, the end, and a line now and then between them."""

    # A tenth of the work makes a line, but not more often than this; silence never lasts longer.
    _SOONEST_S, _LATEST_S = 10.0, 60.0

    def __init__(self) -> None:
        self._clock = _Clock()
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(
        self,
        task: str,
        done: float,
        total: float,
        note: str = "",
        *,
        left_s: float | None = None,
        counts: Mapping[str, float] | None = None,  # noqa: ARG002 - the note says them
    ) -> None:
        now = time.monotonic()
        seconds = self._clock.left(task, done, total, left_s)
        tenth = int(10 * done / total) if total else 10
        said_at, said = self._last.get(task, (-math.inf, -1))
        since = now - said_at
        due = tenth == 10 or (tenth > said and since >= self._SOONEST_S) or since >= self._LATEST_S
        if not due or said == 10:
            return
        self._last[task] = (now, tenth)
        left = "" if seconds is None else f", about {duration(seconds)} left"
        err().print(f"{task}: {100 * done / total if total else 100:.0f} %, {note}{left}")


class _Events:
    """Progress for programs: an object on each line, the first, the last, and at most one each second."""

    _SOONEST_S = 1.0

    def __init__(self) -> None:
        self._clock = _Clock()
        self._said: dict[str, float] = {}

    def __call__(
        self,
        task: str,
        done: float,
        total: float,
        note: str = "",
        *,
        left_s: float | None = None,
        counts: Mapping[str, float] | None = None,
    ) -> None:
        now = time.monotonic()
        seconds = self._clock.left(task, done, total, left_s)
        said = self._said.get(task, -math.inf)
        if said == math.inf or (done < total and now - said < self._SOONEST_S):
            return
        self._said[task] = math.inf if done >= total else now
        event = {
            "event": "progress",
            "task": task,
            "share": round(done / total, 4) if total else 1.0,
            "left_s": None if seconds is None else round(seconds, 1),
            "note": note,
            **(counts or {}),
        }
        _echo(event)


class _Warnings(logging.Handler):
    """What is logged on the way, as events between those of the progress."""

    def emit(self, record: logging.LogRecord) -> None:
        _echo({"event": "warning", "message": record.getMessage()})


@contextmanager
def _warnings_as_events() -> Iterator[None]:
    logger, handler = logging.getLogger("mvi_ray"), _Warnings(logging.WARNING)
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagate
        logger.removeHandler(handler)


def _echo(event: Mapping[str, Any]) -> None:
    # Not through a console, which would wrap it.
    typer.echo(json.dumps(event, ensure_ascii=False), err=True)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
