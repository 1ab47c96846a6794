"""Delta tables, the DuckDB catalog, stored volumes: the only room that knows paths inside store/."""
