"""Warnings on the way: an event each where a program listens."""

from __future__ import annotations

import json
import logging

import pytest

from mvi_ray.cli.progress import progress

_LOG = logging.getLogger("mvi_ray")


def test_a_warning_between_events_is_one_as_well(capfd):
    """A program reads standard error line by line; what is below a warning is not told."""
    with progress(as_json=True) as show:
        show("extract CR", 0, 2, "0 of 2 VOIs")
        _LOG.warning("%s %s: its worker process died", 'P1 AP "1"', "CR")
        _LOG.info("nothing")
        show("extract CR", 2, 2, "2 of 2 VOIs")
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [one["event"] for one in events] == ["progress", "warning", "progress"]
    assert events[1] == {"event": "warning", "message": 'P1 AP "1" CR: its worker process died'}


@pytest.mark.parametrize("error", [None, KeyError])
def test_afterwards_warnings_are_what_they_were(error, caplog):
    """Also when the work failed: the next command may speak to a person."""
    handlers = list(_LOG.handlers)

    def work():
        with progress(as_json=True):
            if error:
                raise error

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    assert (list(_LOG.handlers), _LOG.propagate) == (handlers, True)
    _LOG.warning("for a person")
    assert caplog.messages == ["for a person"]
