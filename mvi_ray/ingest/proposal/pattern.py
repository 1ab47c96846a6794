"""Patterns of file names: ``{centre}/{patient}/{phase}_{reader}.seg.nrrd``.

A field in braces stands for a part of the name, ``*`` for any text within a name, ``**`` for any
folders. All other text stands for itself.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Self

from mvi_ray.errors import UsageError
from mvi_ray.study.settings import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FIELDS = ("patient", "phase", "reader", "lesion", "session", "region", "centre")

_TOKEN = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<folders>\*\*/)|(?P<any>\*\*)|(?P<star>\*)|(?P<text>[^{}*]+)")
_VALUE = re.compile(r"[^/\x00-\x1f]+")
_MOST_READINGS = 8


@dataclass(frozen=True)
class Pattern:
    """How the path of a file tells what it is.

    Args:
        tokens: kind (field, text, star, any, folders) and text of each part.
    """

    tokens: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern.

        Raises:
            UsageError: a field is unknown, a brace is not closed, or a path climbs out of its folder.
        """
        plain = unicodedata.normalize("NFC", text.strip()).removeprefix("./")
        tokens: list[tuple[str, str]] = []
        at = 0
        for found in _TOKEN.finditer(plain):
            if found.start() != at:
                break
            at = found.end()
            kind = str(found.lastgroup)
            tokens.append((kind, found[kind]))
            if kind == "field" and found[kind] not in FIELDS:
                raise UsageError(
                    f"the pattern holds the field {found[kind]!r}{suggest(found[kind], FIELDS)}; "
                    f"fields are {', '.join(FIELDS)}"
                )
        if at != len(plain) or not plain:
            raise UsageError(
                f"{text!r} is no pattern; write fields in braces, as {{patient}}_{{phase}}.seg.nrrd"
            )
        if plain.startswith("/") or ".." in plain.split("/"):
            raise UsageError("the pattern leaves the folder that is scanned; write it relative to the folder")
        return cls(tuple(tokens))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields, each once."""
        return tuple(dict.fromkeys(text for kind, text in self.tokens if kind == "field"))

    @property
    def of_folders(self) -> bool:
        """Whether it ends with a slash, and so stands for folders."""
        return self.tokens[-1][1].endswith("/")

    def format(self, values: Mapping[str, str]) -> str:
        """The path that fields give; wildcards stand for nothing."""
        return "".join(
            values[text] if kind == "field" else text if kind == "text" else "" for kind, text in self.tokens
        )

    def readings(self, path: str, known: Mapping[str, Sequence[str]] | None = None) -> list[dict[str, str]]:
        """Every way to read a path: fields and their values, at most eight of them.

        Args:
            path: relative to the folder, with slashes; a folder ends with one.
            known: names that a field may have, found in upper and lower case alike and given back
                as they stand here; other fields are any text without a slash.
        """
        text = unicodedata.normalize("NFC", path)
        found: list[dict[str, str]] = []
        kind, last = self.tokens[-1]
        if kind == "text" and not text.endswith(last):
            return found
        for reading in _readings(self.tokens, text, known or {}):
            if reading not in found:
                found.append(reading)
            if len(found) == _MOST_READINGS:
                break
        return found


def _readings(
    tokens: tuple[tuple[str, str], ...], text: str, known: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, str]]:
    @cache
    def ends(at: int, start: int) -> tuple[tuple[int, str], ...]:
        """Where a token that starts here may end, with its value, when the rest can follow."""
        kind, what = tokens[at]
        spans = _spans(kind, what, text, start, known)
        if at + 1 == len(tokens):
            return tuple(span for span in spans if span[0] == len(text))
        return tuple(span for span in spans if ends(at + 1, span[0]))

    seen: set[tuple[int, int, tuple[tuple[str, str], ...]]] = set()

    def walk(at: int, start: int, values: tuple[tuple[str, str], ...]) -> Iterator[dict[str, str]]:
        # Wildcards lead to one place by many ways, which is one reading all the same.
        if (at, start, values) in seen:
            return
        seen.add((at, start, values))
        if at == len(tokens):
            yield dict(values)
            return
        kind, what = tokens[at]
        for end, value in ends(at, start):
            given = dict(values).get(what) if kind == "field" else value
            if kind == "field" and given is None:
                yield from walk(at + 1, end, (*values, (what, value)))
            elif given == value:
                # A field that stands twice has one value.
                yield from walk(at + 1, end, values)

    return walk(0, 0, ())


def _spans(
    kind: str, what: str, text: str, start: int, known: Mapping[str, Sequence[str]]
) -> Iterator[tuple[int, str]]:
    if kind == "text":
        if text.startswith(what, start):
            yield start + len(what), ""
    elif kind == "field":
        if what in known:
            for name in known[what]:
                end = start + len(name)
                if text[start:end].casefold() == name.casefold():
                    yield end, name
        else:
            value = _VALUE.match(text, start)
            if value:
                yield from ((end, text[start:end]) for end in range(start + 1, value.end() + 1))
    elif kind == "folders":
        yield start, ""
        yield from ((end + 1, "") for end in range(start, len(text)) if text[end] == "/")
    else:
        stop = len(text) if kind == "any" else text.find("/", start)
        yield from ((end, "") for end in range(start, (len(text) if stop < 0 else stop) + 1))
