"""Parquet files of the store: how they are written, and whether one is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.errors import StoreError

if TYPE_CHECKING:
    from deltalake import WriterProperties

    from mvi_ray.store.place import Place

# Rows that are read together: in a sorted file of `cr` about 200 VOIs.
_ROW_GROUP = 4096


def writer_properties() -> WriterProperties:
    """How Parquet files are written: small row groups, so that one patient is read quickly."""
    from deltalake import WriterProperties

    return WriterProperties(max_row_group_size=_ROW_GROUP)


def is_parquet(path: Place) -> bool:
    """Whether a file is there, and begins and ends as Parquet does.

    Raises:
        StoreError: the file cannot be opened or read, so nobody knows.
    """
    mark = b"PAR1"
    try:
        with path.open("rb") as file:
            first, size = file.read(4), file.seek(0, 2)
            if size < 2 * len(mark):
                return False
            file.seek(size - len(mark))
            return bool(first == mark == file.read(4))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(
            f"file {path.name} of the store cannot be read ({error.strerror}); "
            "check its permissions and the disk, then try again"
        ) from None
