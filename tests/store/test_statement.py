"""What counts as one SELECT."""

from __future__ import annotations

import pytest

from mvi_ray.errors import QueryError
from mvi_ray.store.statement import check_predicate, check_statement

_READS = [
    "SELECT 1",
    "  select 1 ; ",
    "-- what is there?\nSELECT 1",
    "/* a /* nested */ remark */ SELECT 1",
    "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
    "WITH a AS (SELECT 1 UNION SELECT 2), b AS MATERIALIZED (FROM a) FROM b",
    "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 3) FROM t",
    "FROM range(3)",
    "VALUES (1)",
    "DESCRIBE SELECT 1",
    "SUMMARIZE SELECT 1",
    "SHOW TABLES",
    "PIVOT (SELECT 1 AS a, 2 AS b) ON a IN (1, 2) USING sum(b)",
    "SELECT 'COPY x TO y; DROP VIEW z' AS copy, \"copy\" FROM (SELECT 1 AS copy)",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN (FORMAT json) SELECT 1",
    "EXPLAIN (ANALYZE, FORMAT json) WITH a AS (SELECT 1) FROM a",
    "EXPLAIN (SELECT 1)",
    "-- why so slow?\nEXPLAIN ANALYZE SELECT 1",
    "SELECT $patient, $phase",
]

_WRITES = [
    "COPY (SELECT 1) TO 'x.csv'",
    "COPY t FROM 'x.csv'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "UPDATE EXTENSIONS",
    "ATTACH 'x.db'",
    "DETACH x",
    "USE memory",
    "SET threads = 1",
    "RESET threads",
    "SET VARIABLE a = 1",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CREATE TABLE t (i INT)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET i = 1",
    "DELETE FROM t",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
    "DROP VIEW cr",
    "ALTER TABLE t ADD COLUMN x INT",
    "COMMENT ON VIEW cr IS 'x'",
    "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "-- SELECT\nCOPY (SELECT 1) TO 'x.csv'",
    "/* SELECT */ COPY (SELECT 1) TO 'x.csv'",
    "EXPLAIN COPY (SELECT 1) TO 'x.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
    "EXPLAIN (ANALYZE) COPY (SELECT 1) TO 'x.csv'",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
    "-- c\nEXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
]

# Texts that a regular expression takes for EXPLAIN SELECT, and DuckDB for something else.
_HIDDEN = [
    "EXPLAIN (ANALYZE /*) SELECT 1 -- */) COPY (SELECT 1) TO 'x.csv'",
    "/* a /* b */ EXPLAIN SELECT 1 -- */ EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
    "--\rEXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv' (FORMAT csv /*\nEXPLAIN SELECT 1 --*/ )",
    "EXPLAIN/**/ANALYZE COPY (SELECT 1) TO 'x.csv'",
    "EXPLAIN /* SELECT 1; */ ANALYZE COPY (SELECT 1) TO 'x.csv'",
]

# Since DuckDB 2.0 the body of WITH may write, and the statement is still called a SELECT.
_INSIDE_WITH = [
    "WITH x AS (COPY (SELECT 1) TO 'x.csv') FROM x",
    "WITH a AS (SELECT 1), x AS (COPY (FROM a) TO 'x.csv') SELECT 1",
    "WITH x AS (WITH y AS (SELECT 1) INSERT INTO t FROM y RETURNING *) FROM x",
    "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) FROM x",
    "WITH x AS (DELETE FROM t RETURNING *) FROM x",
    "WITH x AS (UPDATE t SET i = 1 RETURNING *) FROM x",
    "SELECT * FROM (WITH x AS (COPY (SELECT 1) TO 'x.csv') FROM x)",
    "EXPLAIN ANALYZE WITH x AS (COPY (SELECT 1) TO 'x.csv') FROM x",
]


@pytest.mark.parametrize("text", _READS)
def test_one_statement_that_only_reads_passes_unchanged(text):
    """The text comes back as it was given."""
    assert check_statement(text) == text


@pytest.mark.parametrize("text", _WRITES)
def test_statements_that_write_load_or_set_are_refused(text):
    """The message says that the store is only read."""
    with pytest.raises(QueryError, match="the store is only read; give one SELECT"):
        check_statement(text)


@pytest.mark.parametrize("text", _HIDDEN)
def test_comments_cannot_hide_what_explain_runs(text):
    """Whatever the comments pretend, nothing but a SELECT is explained."""
    with pytest.raises(QueryError, match=r"EXPLAIN|syntax error"):
        check_statement(text)


@pytest.mark.parametrize("text", _INSIDE_WITH)
def test_a_select_whose_with_writes_is_refused(text):
    """`COPY … TO` inside WITH runs even on a read-only connection."""
    with pytest.raises(QueryError, match="WITH holds a statement that writes"):
        check_statement(text)


_RUNS_TEXT = (
    "FROM json_execute_serialized_sql(json_serialize_sql('WITH x AS (COPY (SELECT 1) TO ''f'') FROM x'))"
)


@pytest.mark.parametrize(
    "text",
    [
        _RUNS_TEXT,
        _RUNS_TEXT.replace("json_execute", "JSON_Execute"),
        f"SELECT (SELECT count(*) {_RUNS_TEXT})",
        f"WITH a AS ({_RUNS_TEXT}) FROM a",
        f"EXPLAIN ANALYZE {_RUNS_TEXT}",
        f"SELECT 1 WHERE EXISTS ({_RUNS_TEXT})",
        "FROM query('SELECT 1')",
        "FROM enable_logging('QueryLog')",
        "FROM force_checkpoint()",
        "FROM copy_database('a', 'b')",
        "FROM pandas_scan(1)",
        "SELECT write_log('x')",
    ],
)
def test_functions_that_run_text_or_change_the_process_are_refused(text):
    """A COPY inside a constant is not seen by any check of the statement."""
    with pytest.raises(QueryError, match=r"does more than read and is refused|is not run here"):
        check_statement(text)


@pytest.mark.parametrize(
    "text", [f"EXISTS ({_RUNS_TEXT})", "1 IN (WITH x AS (COPY (SELECT 1) TO 'f') FROM x)"]
)
def test_a_condition_may_not_do_what_a_query_may_not(text):
    """Conditions of cohorts and groups can hold subqueries."""
    with pytest.raises(QueryError, match=r"refused|only read|not one SQL condition"):
        check_predicate(text, "cohorts.train")


@pytest.mark.parametrize(
    "text", ["", "  ", ";", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; DROP VIEW cr"]
)
def test_anything_but_exactly_one_statement_is_refused(text):
    """The number of statements is named."""
    with pytest.raises(QueryError, match=r"[02] statements were given; give one SELECT"):
        check_statement(text)


def test_a_text_that_is_no_sql_shows_where_it_breaks():
    """DuckDB's own words are passed on."""
    with pytest.raises(QueryError, match="syntax error at or near"):
        check_statement("SELEC 1")


@pytest.mark.parametrize("text", ["centre = 'A'", "age > 50 AND sex IN ('m', 'f')", "true", "id = 'O''Neil'"])
def test_a_condition_becomes_one_expression(text):
    """Conditions of cohorts are parsed, never pasted."""
    assert check_predicate(text, "cohorts.train") is not None


@pytest.mark.parametrize("text", ["true; DROP VIEW cr", "centre = 'A", "true) OR (true", "", "a = 1, b = 2"])
def test_what_is_not_one_condition_is_refused_with_its_place(text):
    """The message names the key of the study file."""
    with pytest.raises(QueryError, match=r"cohorts.train is not one SQL condition"):
        check_predicate(text, "cohorts.train")
