"""SQL over a store that may be asked as it is, or as it was."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, overload

from mvi_ray.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from mvi_ray.store.store import Store

Format = Literal["arrow", "pandas", "polars"]


class Queries(ABC):
    """What can be asked in SQL."""

    @abstractmethod
    def reading(self, as_of: str | None = None) -> AbstractContextManager[Store]:
        """The store as it is, or as it was."""

    @overload
    def sql(
        self, query: str, values: Any = ..., *, as_: Literal["arrow"] = ..., as_of: str | None = ...
    ) -> pa.Table: ...
    @overload
    def sql(
        self, query: str, values: Any = ..., *, as_: Literal["pandas"], as_of: str | None = ...
    ) -> pd.DataFrame: ...
    @overload
    def sql(
        self, query: str, values: Any = ..., *, as_: Literal["polars"], as_of: str | None = ...
    ) -> pl.DataFrame: ...
    def sql(self, query: str, values: Any = None, *, as_: Format = "arrow", as_of: str | None = None) -> Any:
        """Run one SELECT over the store.

        Args:
            query: SQL of DuckDB; `?` and `$name` stand for values.
            values: list or mapping of bound values.
            as_: what to return.
            as_of: ask the store as it was: a run, the number of a snapshot, or a time.

        Raises:
            QueryError: it is no SELECT, or DuckDB refuses it.
            UsageError: `as_of` names nothing.
            StoreError: the files of that state were removed.
        """
        with self.reading(as_of) as store:
            table = store.query(query, values)
        if as_ == "pandas":
            return table.to_pandas()
        if as_ == "polars":
            import polars as pl

            return pl.from_arrow(table)
        if as_ != "arrow":
            raise UsageError(f"as_ is 'arrow', 'pandas' or 'polars', got {as_!r}")
        return table
