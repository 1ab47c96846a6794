"""Where a typed text ends, and what its end stands in; DuckDB's own parser says so."""

from __future__ import annotations


def statements(text: str) -> list[str]:
    """The statements of a text; the text itself when it cannot be parsed."""
    import duckdb

    try:
        return [statement.query.strip() for statement in duckdb.extract_statements(text)]
    except (duckdb.Error, ValueError):  # whoever runs the text says what is wrong with it
        return [text]


def is_complete(text: str) -> bool:
    """Whether the last statement has its `;`, outside of quotes and comments."""
    if open_end(text)[0] == "/*":
        return False
    code = [at for at, kind in _tokens(text) if kind != "comment"]
    return bool(code) and text.startswith(";", code[-1])


def open_end(text: str) -> tuple[str, str]:
    """What the end of a text stands in, and the part of the text that is in it.

    Returns:
        ``'`` or ``"`` in quotes, ``--`` or ``/*`` in a comment, else empty.
    """
    tokens = _tokens(text)
    last = text[tokens[-1][0] :] if tokens else ""
    for quote in ("'", '"'):
        # A doubled quote is one of the text, and does not change whether they are even.
        if last.startswith(quote) and last.count(quote) % 2:
            return quote, last[1:]
    for mark, end in (("--", "\n"), ("/*", "*/")):
        if last.startswith(mark) and end not in last[2:]:
            return mark, last[2:]
    return "", ""


def _tokens(text: str) -> list[tuple[int, str]]:
    """Place and kind of each token."""
    import duckdb

    raw = text.encode("utf-8", errors="replace")
    # DuckDB counts bytes.
    return [(len(raw[:at].decode("utf-8")), kind.name) for at, kind in duckdb.tokenize(raw.decode("utf-8"))]
