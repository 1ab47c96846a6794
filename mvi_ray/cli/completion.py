"""What Tab offers at the prompt of `mvi sql`. Imported only there: it loads prompt_toolkit."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from mvi_ray.cli.tokens import open_end

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from prompt_toolkit.completion import CompleteEvent

    from mvi_ray.cli.names import Names

# Words of a SELECT; what else DuckDB knows is refused here or too seldom typed.
_KEYWORDS = (  # noqa: SIM905 - a list of one word a line would be longer than the rest
    "ALL AND ANTI AS ASC ASOF BETWEEN BY CASE CAST COLUMNS CROSS DESC DISTINCT ELSE END EXCEPT EXCLUDE "
    "EXISTS EXPLAIN FALSE FILTER FIRST FROM FULL GROUP HAVING ILIKE IN INNER INTERSECT INTO IS JOIN "
    "LAST LATERAL LEFT LIKE LIMIT NATURAL NOT NULL NULLS OFFSET ON OR ORDER OUTER OVER PARTITION PIVOT "
    "POSITIONAL QUALIFY RECURSIVE REPLACE RIGHT SELECT SEMI SIMILAR TABLESAMPLE THEN TRUE UNION UNNEST "
    "UNPIVOT USING VALUES WHEN WHERE WINDOW WITH"
).split()
_WORD = re.compile(r"[^\W\d]\w*\Z")
_QUALIFIED = re.compile(r"(\w+)\.(\w*)\Z")
_BEFORE_A_VIEW = re.compile(r"\b(from|join)\s+\w*\Z", re.IGNORECASE)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z", re.IGNORECASE)
# More do not fit in a menu; another letter narrows them down.
_MOST = 500


class SqlCompleter(Completer):
    """Completes dot commands, keywords, views, columns of the views in the statement, and features in quotes.

    Args:
        names: of the store.
        commands: dot command to what it takes: ``view``, ``format``, ``file`` or nothing.
        formats: what ``format`` offers.
    """

    def __init__(self, names: Names, commands: Mapping[str, str], formats: Collection[str]) -> None:
        self._names = names
        self._commands = commands
        self._formats = formats
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What fits at the cursor."""
        before = document.text_before_cursor
        if before.lstrip().startswith("."):
            return self._after_dot(before.lstrip(), complete_event)
        end, typed = open_end(before)
        if end == "'":
            return _containing(self._names.features, typed)
        if end == '"':
            return _starting(self._columns(document.text), typed, quote='"')
        if end:
            return ()
        return self._in_sql(document.text, before)

    def _after_dot(self, before: str, event: CompleteEvent) -> Iterable[Completion]:
        command, space, rest = before.partition(" ")
        if not space:
            return _starting(dict.fromkeys(self._commands, ""), command)
        kind = self._commands.get(command, "")
        rest = rest.lstrip()
        if kind == "file":
            return self._files.get_completions(Document(rest), event)
        offered = {"view": self._names.views, "format": dict.fromkeys(self._formats, "")}.get(kind, {})
        return _starting(offered, rest)

    def _in_sql(self, text: str, before: str) -> Iterator[Completion]:
        qualified = _QUALIFIED.search(before)
        if qualified:
            view = self._view(qualified[1], text)
            yield from _starting(self._names.columns.get(view, {}), qualified[2], identifier=True)
            return
        found = _WORD.search(before)
        word = found[0] if found else ""
        before_a_view = _BEFORE_A_VIEW.search(before)
        if not before_a_view:
            yield from _starting(self._columns(text), word, identifier=True)
        yield from _starting(self._names.views, word, identifier=True)
        if word and not before_a_view:
            keywords = [k.lower() if word.islower() else k for k in _KEYWORDS]
            yield from _starting(dict.fromkeys(keywords, ""), word)

    def _named(self, text: str) -> list[str]:
        words = {word.lower() for word in re.findall(r"\w+", text)}
        return [view for view in self._names.columns if view.lower() in words]

    def _columns(self, text: str) -> dict[str, str]:
        """Columns of the views that the statement names, once each, with their types."""
        return {c: kind for view in self._named(text) for c, kind in self._names.columns[view].items()}

    def _view(self, name: str, text: str) -> str:
        """The view that goes by this name in the statement: its own, or one given by AS."""
        for view in self._named(text):
            alias = rf"\b{re.escape(view)}\s+(?:as\s+)?{re.escape(name)}\b"
            if view.lower() == name.lower() or re.search(alias, text, re.IGNORECASE):
                return view
        return name


def _starting(
    offered: Mapping[str, str], typed: str, *, identifier: bool = False, quote: str = ""
) -> Iterator[Completion]:
    """Names that begin with what was typed, in upper or lower case."""
    for name, beside in offered.items():
        if name.lower().startswith(typed.lower()):
            text = (
                name if quote or not identifier or _PLAIN.match(name) else '"' + name.replace('"', '""') + '"'
            )
            yield Completion(text + quote, -len(typed), display=name, display_meta=beside)


def _containing(names: Iterable[str], typed: str) -> Iterator[Completion]:
    """Names with what was typed anywhere in them; those that begin with it come first."""
    wanted = typed.lower()
    found = [name for name in names if wanted in name.lower()]
    found.sort(key=lambda name: not name.lower().startswith(wanted))
    for name in islice(found, _MOST):
        yield Completion(name, -len(typed))
