"""Cells of a manifest that a spreadsheet would take for a formula, and run.

CSV has no sign for "this is text". An apostrophe before the sign makes it text for every
spreadsheet, and is taken away when the manifest is read (CWE-1236).
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+@-]")
_MARKED = re.compile(r"'+[=+@-]")


def marked(text: str) -> str:
    """A text as the cell of a table that people open."""
    return f"'{text}" if _FORMULA.match(text) else text


def unmarked(cell: str) -> str:
    """The text of a cell that `marked` may have made."""
    return cell[1:] if _MARKED.match(cell) else cell


def is_formula(text: str) -> bool:
    """Whether a spreadsheet takes it for a formula, or its mark would be taken away."""
    return _FORMULA.match(text) is not None
