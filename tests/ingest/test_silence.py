"""What parsers say is heard by nobody while any thread reads, and by everybody afterwards."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from mvi_ray.ingest.silence import quiet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOGGERS = ("pydicom", "pydicom.pixels.utils", "highdicom", "highdicom.seg.sop")


def say(text: str) -> None:
    """A remark as pydicom and highdicom make it, by warning and by logger."""
    warnings.warn(text, UserWarning, stacklevel=2)
    for name in LOGGERS:
        logging.getLogger(name).warning(text)


def state() -> tuple[object, ...]:
    """What is set for the whole process."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    return (
        list(warnings.filters),
        [(list(one.filters), list(one.handlers), one.propagate, one.level) for one in loggers],
    )


def test_remarks_are_dropped_inside_and_heard_outside(caplog: pytest.LogCaptureFixture) -> None:
    """Warnings and loggers of the packages and of their modules; other loggers go on."""
    with quiet():
        say("MUELLER")
        logging.getLogger("mvi_ray").warning("something else")
    assert [record.name for record in caplog.records] == ["mvi_ray"]
    with pytest.warns(UserWarning, match="afterwards"):
        say("afterwards")
    assert [record.name for record in caplog.records] == ["mvi_ray", *LOGGERS]


def test_nothing_reaches_the_terminal_without_any_handler(run_python: Callable[..., object]) -> None:
    """Python prints warnings of a logger without handlers to stderr."""
    done = run_python(
        "import logging\n"
        "from mvi_ray.ingest.silence import quiet\n"
        f"for name in {LOGGERS}:\n"
        "    with quiet():\n"
        "        logging.getLogger(name).error('MUELLER')\n"
        "logging.getLogger('highdicom').error('heard')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "heard\n")


def test_a_reader_waits_while_another_thread_loads_simpleitk(
    run_python: Callable[..., object], tmp_path: Path
) -> None:
    """A pool's first threads: one is inside the import when the next begins to read."""
    (tmp_path / "SimpleITK.py").write_text(
        "import time\n"
        "time.sleep(0.5)\n"
        "class ProcessObject:\n"
        "    GetGlobalWarningDisplay = staticmethod(lambda: True)\n"
        "    SetGlobalWarningDisplay = staticmethod(lambda shown: print('shown', shown))\n"
    )
    done = run_python(
        "import sys, threading, time\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mvi_ray.ingest.silence import quiet\n"
        "loading = threading.Thread(target=__import__, args=('SimpleITK',))\n"
        "loading.start()\n"
        "while 'SimpleITK' not in sys.modules:\n"
        "    time.sleep(0.001)\n"
        "with quiet():\n"
        "    print('read')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "shown False\nread\nshown True\n", "")


def test_silence_is_taken_back_after_an_error() -> None:
    """Whatever a reader raises."""
    before = state()
    with pytest.raises(ValueError, match="invalid literal"), quiet():
        int("MUELLER")
    assert state() == before


def test_silence_holds_until_the_last_thread_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """One enters first and leaves first, as threads of a pool do; the other still reads."""
    before = state()
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with quiet():
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with quiet():
            second_in.set()
            assert first_out.wait(10)
            say("MUELLER")

    threads = [threading.Thread(target=one) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert first_out.is_set()
    assert caplog.records == []
    assert state() == before


@pytest.mark.parametrize("order", ["in the order of entry", "in reverse"])
def test_filters_come_back_once_in_any_order(order: str) -> None:
    """However many readers there were."""
    before = state()
    readers = [ExitStack() for _ in range(5)]
    for reader in readers:
        reader.enter_context(quiet())
    inside = state()
    assert inside != before
    *rest, last = readers if order == "in the order of entry" else readers[::-1]
    for reader in rest:
        reader.close()
        assert state() == inside
    last.close()
    assert state() == before


def test_filters_of_the_caller_are_those_that_come_back() -> None:
    """Set between two readings, so nothing is remembered from the first."""
    with quiet():
        pass
    logger = logging.getLogger("highdicom")
    logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            before = state()
            with quiet():
                warnings.warn("MUELLER", DeprecationWarning, stacklevel=1)
            assert state() == before
    finally:
        logger.propagate = True
