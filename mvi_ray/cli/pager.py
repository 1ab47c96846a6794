"""Text that does not fit on the screen goes through a pager."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

# Long lines are cut and can be scrolled sideways, and the text stays on the screen. Not `-F`: it would
# leave at once when only the width does not fit, and hide what was cut.
_LESS = ["-+F", "-S", "-X", "-R", "-~"]


def show(text: str) -> None:
    """Print the text; page it when it is longer or wider than the terminal.

    The pager is `$PAGER`, or `less`; without one, or without a terminal, the text is printed whole.
    """
    lines = text.splitlines()
    columns, rows = shutil.get_terminal_size()
    # Two lines stay for what is printed behind it, the time and the next prompt.
    fits = len(lines) <= rows - 2 and max(map(len, lines), default=0) <= columns
    if fits or not (os.isatty(0) and os.isatty(1)) or not _page(text):
        print(text)  # noqa: T201


def _page(text: str) -> bool:
    """Whether a pager took it."""
    command = shlex.split(os.environ.get("PAGER", "")) or ["less"]
    if command == ["less"]:
        command += _LESS
    # What is searched for in `less` may be a patient: it keeps a file of that otherwise.
    environment = {**os.environ, "LESSHISTFILE": "-"}
    sys.stdout.flush()
    try:
        pager = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, text=True, encoding="utf-8", env=environment
        )
    except OSError:
        return False
    # Ctrl-C reaches both; in a pager it ends a search, and must not end the shell around it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pager.communicate(text + "\n")
    finally:
        signal.signal(signal.SIGINT, before)
    # A small `less`, as of busybox, may not know the options.
    return pager.returncode == 0
