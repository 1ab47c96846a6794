"""Which stores this program reads."""

from __future__ import annotations

from mvi_ray.errors import StoreError
from mvi_ray.store.schemas import SCHEMA_VERSION


def check_schema_version(found: str | None, what: str) -> None:
    """Refuse what another version of the program wrote.

    Raises:
        StoreError: the version is not the one that this program writes.
    """
    if found != SCHEMA_VERSION:
        raise StoreError(
            f"{what} has schema version {found}, this program reads and writes {SCHEMA_VERSION}; "
            "use the version of mvi that wrote it"
        )
