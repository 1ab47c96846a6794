"""Seconds until a light command has answered, from a fresh process each time.

    python benchmarks/start_up.py PROJECT [RUNS]

The commands run in turn, so that a slow minute of the machine meets all of them; the first
round warms the disk and is not counted.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "mvi --help": [str(Path(sys.executable).with_name("mvi")), "--help"],
    'mvi sql "SELECT 1"': [str(Path(sys.executable).with_name("mvi")), "sql", "SELECT 1"],
    "mvi status": [str(Path(sys.executable).with_name("mvi")), "status"],
}


def main() -> None:
    """Print minimum, median and maximum of each command."""
    project = sys.argv[1]
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run(command, cwd=project, check=True, capture_output=True)  # noqa: S603
            if number:
                seconds[name].append(time.perf_counter() - begin)
    print(f"{'command':<20} {'min':>6} {'median':>6} {'max':>6}  seconds, {runs} runs")
    for name, times in seconds.items():
        print(f"{name:<20} {min(times):6.2f} {statistics.median(times):6.2f} {max(times):6.2f}")


if __name__ == "__main__":
    main()
