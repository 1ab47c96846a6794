"""When a text is paged, and how."""

from __future__ import annotations

import os
import signal

import pytest

from mvi_ray.cli import pager


@pytest.fixture
def screen(monkeypatch):
    """A terminal of 40 × 10 whose pager marks its lines."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((40, 10)))
    monkeypatch.setattr("os.isatty", lambda _: True)
    monkeypatch.setenv("PAGER", "sed s/^/paged:/")


@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize(
    ("text", "paged"),
    [("a\n" * 8, False), ("a\n" * 9, True), ("a" * 40, False), ("a" * 41, True), ("", False)],
)
def test_only_what_does_not_fit_is_paged(text, paged, capfd):
    """By its height or its width."""
    pager.show(text)
    assert capfd.readouterr().out.startswith("paged:") == paged


@pytest.mark.usefixtures("screen")
@pytest.mark.parametrize("command", ["no-such-pager", "false"])
def test_without_a_pager_nothing_is_lost(command, capfd, monkeypatch):
    """It is missing, or refuses its options."""
    monkeypatch.setenv("PAGER", command)
    pager.show("\n".join("ü" * 20))
    assert capfd.readouterr().out == "ü\n" * 20


@pytest.mark.usefixtures("screen")
def test_without_a_terminal_nothing_is_paged(capfd, monkeypatch):
    """`mvi sql | tee` gets everything."""
    monkeypatch.setattr("os.isatty", lambda number: number == 0)
    pager.show("a\n" * 20)
    assert "paged:" not in capfd.readouterr().out


@pytest.mark.usefixtures("screen")
def test_ctrl_c_in_a_pager_does_not_end_the_shell(capfd, monkeypatch):
    """The signal reaches both; afterwards the shell has its own handler again."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("PAGER", f"sh -c 'cat; kill -INT {os.getpid()}'")
    pager.show("a\n" * 19 + "a")
    assert signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().out == "a\n" * 20


@pytest.mark.usefixtures("screen")
def test_less_keeps_no_history(capfd, monkeypatch):
    """What is searched for may be a patient."""
    monkeypatch.setenv("PAGER", "sh -c 'cat >/dev/null; echo [$LESSHISTFILE]'")
    pager.show("a\n" * 20)
    assert capfd.readouterr().out == "[-]\n"
