"""The queries of `docs/querying.md` and the outputs below them.

`python -m tests.docs.page`, at the root of the checkout, prints the outputs into the page anew.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mvi_ray.store.store import Store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "querying.md"

_BLOCKS = re.compile(r"^```sql\n(?P<sql>.*?)^```\n\n```text\n(?P<output>.*?)^```\n", re.DOTALL | re.MULTILINE)
_AS_OF = re.compile(r"\A-- mvi sql --as-of (\d+) ")

# Runs with DuckDB's own package and nothing else; what is not built in cannot be loaded.
_PLAIN_DUCKDB = """
import json, sys
import duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    loaded = "SELECT extension_name FROM duckdb_extensions() WHERE loaded ORDER BY ALL"
    before = connection.sql(loaded).fetchall()
    connection.sql(sys.argv[2]).show(max_width=1000, max_rows=1000)
    assert connection.sql(loaded).fetchall() == before, "an extension was loaded"
foreign = {name.split(".")[0] for name in sys.modules} & {"mvi_ray", "deltalake", "pyarrow", "pandas"}
assert not foreign, foreign
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One query of the page.

    Args:
        sql: as it stands there.
        output: the drawn table below it.
        snapshot: the state of the store that is asked; None for the newest.
    """

    sql: str
    output: str
    snapshot: str | None

    @property
    def cells(self) -> list[list[str]]:
        """Names, then values, as text; a table has its types in the second line."""
        lines = [line for line in self.output.splitlines() if line.startswith("│")]
        names, _, *values = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
        return [names, *values]


def questions(text: str) -> list[Question]:
    """Every query of a page in order."""
    found = []
    for block in _BLOCKS.finditer(text):
        named = _AS_OF.match(block["sql"])
        found.append(Question(block["sql"], block["output"], named and named[1]))
    return found


def catalog_of(store: Store, question: Question, folder: Path) -> Path:
    """The catalog that answers a question: the store's, or one of an earlier state."""
    if question.snapshot is None:
        return store.catalog
    catalog = folder / f"as-of-{question.snapshot}.duckdb"
    store.as_of(catalog, store.history.find(question.snapshot))
    return catalog


def draw(catalog: Path, sql: str) -> str:
    """The answer as DuckDB draws it in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", _PLAIN_DUCKDB, str(catalog), sql],
        capture_output=True,
        text=True,
        check=False,
        cwd=catalog.parent,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.rstrip("\n") + "\n"


def ask_command_line(program: str, catalog: Path, sql: str) -> list[list[str]]:
    """The answer of a DuckDB command line of any version: names, then values, as text."""
    settings = "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false;"
    ran = subprocess.run(
        [
            program,
            "-init",
            "/dev/null",
            "-readonly",
            "-csv",
            "-nullvalue",
            "NULL",
            str(catalog),
            settings + sql,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return list(csv.reader(ran.stdout.splitlines()))


def main() -> None:
    """Print the outputs into the page."""
    from tests.docs.made_up_store import build

    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        store = build(Path(folder) / "store")
        for one in questions(text):
            drawn = draw(catalog_of(store, one, Path(folder)), one.sql)
            text = text.replace(
                f"{one.sql}```\n\n```text\n{one.output}", f"{one.sql}```\n\n```text\n{drawn}", 1
            )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
