"""The command line: parse, call one function of the project, render."""

from __future__ import annotations


def main() -> None:
    """Entry point of the command `mvi`."""
    from mvi_ray.cli.app import run

    run()
