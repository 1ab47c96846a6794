"""Which extractions are running on a store, and which were killed."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mvi_ray.errors import StoreError
from mvi_ray.store.lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FOLDER = ".extractions"


class Presence:
    """A file for each run: locked while it lives, removed when it ends, left behind by a kill.

    Args:
        root: folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / _FOLDER

    @contextmanager
    def entered(self, run_id: str) -> Iterator[None]:
        """Be present as a run.

        Raises:
            StoreError: the store cannot be written.
        """
        path = self._file(run_id)
        aside = path.with_suffix(".new")
        try:
            self._folder.mkdir(exist_ok=True)
            file = os.open(aside, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                # Locked under another name: under its own it is never seen unlocked.
                try_lock(file)
                os.write(file, f"{run_id}\n".encode())
                os.fsync(file)
                aside.rename(path)
            except OSError:
                os.close(file)
                aside.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(
                f"the store cannot be written ({error.strerror}); check the disk's free space and permissions"
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
            os.close(file)

    def is_alive(self, run_id: str) -> bool:
        """Whether the run goes on."""
        return self._state(run_id) is True

    def was_killed(self, run_id: str) -> bool:
        """Whether the run is over and could not say so."""
        return self._state(run_id) is False

    def living(self) -> list[str]:
        """Every run that goes on."""
        return sorted(path.stem for path in self._folder.glob("*.lock") if self.is_alive(path.stem))

    def forget(self, run_ids: Iterable[str]) -> None:
        """Remove what killed runs left behind; living ones are passed over."""
        for run_id in run_ids:
            if self.was_killed(run_id):
                self._file(run_id).unlink(missing_ok=True)

    def killed(self) -> list[str]:
        """Every run that was killed and is not forgotten."""
        return sorted(path.stem for path in self._folder.glob("*.lock") if self.was_killed(path.stem))

    def _file(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.lock"

    def _state(self, run_id: str) -> bool | None:
        """Whether its file is locked; None when there is none."""
        try:
            file = os.open(self._file(run_id), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            # Shared, so that two who look at once do not take each other for the run.
            return not try_lock(file, shared=True)
        finally:
            os.close(file)
