"""How far long work has come, for whoever wants to show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Progress(Protocol):
    """Receives the state of one piece of long work after each step.

    Work is measured in predicted cost, so that time left can be told before the large units,
    which come first, are behind.
    """

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
        """Take the state of a task.

        Args:
            task: its name; several may run one after the other.
            done: predicted work behind.
            total: all predicted work.
            note: counts in words, for example "14 of 120 VOIs, 1 failed".
            left_s: seconds that are left, where the work itself knows better than the share that is behind.
            counts: what `note` says, for machines.
        """


def silent(
    task: str,
    done: float,
    total: float,
    note: str = "",
    *,
    left_s: float | None = None,
    counts: Mapping[str, float] | None = None,
) -> None:
    """Show nothing."""
