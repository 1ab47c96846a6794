"""Needles made ready to be looked for in bytes, texts and arrays."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np

from mvi_ray.store.search.values import Digits, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from mvi_ray.store.search.needles import Needles

# In 15 GB of random bytes a text of five bytes stands once by chance in a hundred searches, one
# of four twice in each.
_LEAST_BYTES = 5
_DIGEST = re.compile(r"[0-9a-f]{12,}")
_TWO_DIGITS = re.compile(r"[0-9a-f]{2}")
_SHORT_NUMBER = re.compile(r"[\d.]{1,8}", re.ASCII)
# Every branch begins with a letter of its own: eight times quicker than with `(?:…)+` in front.
_BACKSLASH = r"\\(?:\\*u[0-9a-fA-F]{4}(?:\\+u[0-9a-fA-F]{4})*|\\*[nrtbf\"'\\/])"
_OTHER = r"%[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*|&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|\w{2,8});|''|\"\""
# A pseudonym may look like an escape itself (50%20), so those of JSON are taken off alone, too.
_ESCAPES = (re.compile(f"{_BACKSLASH}|{_OTHER}"), re.compile(_BACKSLASH))
_UNIT = re.compile(r"\\+u([0-9a-fA-F]{4})")
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_LAYERS = 4
_EMBEDDED = re.compile(rb";base64,([A-Za-z0-9+/]{16,}={0,2})")
_PRINTED = bytes(byte for byte in range(256) if byte >= 32 or chr(byte) in "\t\n\f\r\x1b")
_KEY = re.compile(r"([^\W\d]\w*)[\"'\\\s]*(?:[:=]|\bIN\b)", re.IGNORECASE)
_VALUE = re.compile(r"(?!['\"]\s*:)(?=$|['\"/\s,;)\]}])")
"""What stands behind a whole value: not the rest of a name, nor what makes a key of it."""
_OPENS = re.compile(r"(?<!\.)['\"]|=")
"""What stands in front of one; behind a dot there is the name of a column."""
_WINDOW = 400
_AROUND = 512
_TOGETHER = 3
_ESCAPED = 24
"""Bytes that one letter may be written in, with several layers of escapes."""


class Matcher:
    """Counts needles, by what they are: pseudonym, digest, value.

    Args:
        needles: of one patient.
    """

    def __init__(self, needles: Needles) -> None:
        self._texts = [
            _Text(text, needles.others, is_word=text in needles.words)
            for text in needles.texts
            if not _is_digest(text)
        ]
        self._digests = [text.encode() for text in needles.texts if _is_digest(text)]
        self._digits = Digits(self._digests)
        self.numbers = Numbers(needles)
        longest = max((len(text) for text in (*needles.texts, *needles.others)), default=0)
        self.overlap = 1024 + _ESCAPED * longest
        """Bytes before a block that hold the beginning of any needle that ends in it."""

    def in_bytes(self, data: bytes, *, is_text: bool) -> Counter[str]:
        """Needles in a stretch of a file."""
        found = Counter({"value": self.numbers.in_bytes(data)})
        found["digest"] = self._digests_in(data)
        if is_text:
            # Drawings inside a page.
            for packed in _EMBEDDED.findall(data):
                found.update(self._embedded(packed))
            found.update(self.in_text(_EMBEDDED.sub(b" ", data)))
        else:
            found["pseudonym"] = sum(text.in_binary(data) for text in self._texts)
        return found

    def in_text(self, data: bytes) -> Counter[str]:
        """Pseudonyms and written numbers in a text, escaped or not."""
        found = Counter({"value": self.numbers.in_text(data)})
        for text in self._texts:
            for part in text.likely(data):
                # The views show the same places again and again.
                found["pseudonym"] += max(map(text.count, _views(data[part])))
        return found

    def in_cells(self, cells: Sequence[str], counts: Sequence[int], column: str = "") -> Counter[str]:
        """Needles in different strings, each of which stands there so many times."""
        found: Counter[str] = Counter()
        exact = [text for text in self._texts if text.is_common and _names_a_patient(column)]
        if not exact and not any(self._in_cell("\n".join(cells)).values()):
            return found
        for cell, count in zip(cells, counts, strict=True):
            for what, times in self._in_cell(cell).items():
                found[what] += times * count
            found["pseudonym"] += count * sum(text.text == cell.strip() for text in exact)
        return found

    def in_whole_numbers(self, cells: NDArray[Any], column: str) -> int:
        """How often a pseudonym that is a number stands in a column of patients."""
        if not _names_a_patient(column):
            return 0
        wanted = [int(text.text) for text in self._texts if text.is_common and text.text.isdigit()]
        return int(np.isin(cells, wanted).sum())

    def in_name(self, name: str) -> Counter[str]:
        """Needles in the name of a file, folder or member of an archive."""
        found = self._in_cell(name)
        for one in self._texts:
            # A folder may be named by a word: images, AP.
            alone = name == one.text and not one.is_word
            found["pseudonym"] += one.is_common and (alone or name.startswith(f"{one.text}."))
        return found

    def _in_cell(self, cell: str) -> Counter[str]:
        data = cell.encode("utf-8", "surrogatepass")
        found = self.in_text(data)
        found["digest"] = self._digests_in(data)
        return found

    def _embedded(self, packed: bytes) -> Counter[str]:
        try:
            data = base64.b64decode(packed[: len(packed) // 4 * 4])
        except binascii.Error:
            return Counter()
        return self.in_bytes(data, is_text=is_text(data))

    def _digests_in(self, data: bytes) -> int:
        # One look instead of one a digest.
        if not self._digits.may_be_in(data):
            return 0
        return sum(data.count(digest) for digest in self._digests)


def whole_token(text: str) -> str:
    """A pattern that finds a pseudonym in the forms and between the boundaries that count here."""
    return _token((), _forms(text), is_number=text.isdigit())


def is_text(data: bytes) -> bool:
    """Whether the beginning of a file reads as text, in whatever encoding."""
    return not data[:8192].translate(None, _PRINTED)


def _names_a_patient(column: str) -> bool:
    return "patient" in column.lower()


def _views(data: bytes) -> Iterator[str]:
    """The text as it stands, and as it reads when one layer of escapes after the other is taken off."""
    try:
        texts = [data.decode()]
    except UnicodeDecodeError:
        texts = [data.decode("utf-8", "replace"), data.decode("latin-1")]
    for text in texts:
        yield text
        for escape in _ESCAPES:
            before = text
            for _ in range(_LAYERS):
                after = escape.sub(_unescape, before)
                if after == before:
                    break
                yield after
                before = after


def _unescape(match: re.Match[str]) -> str:
    """What one escape of JSON, URL, HTML or a doubled quote stands for."""
    escape = match[0]
    if escape[0] == "%":
        return unquote(escape, errors="replace")
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[0] != "\\":
        return escape[0]
    units = _UNIT.findall(escape)
    if units:
        return bytes.fromhex("".join(units)).decode("utf-16-be", "replace")
    return _CONTROL.get(escape[-1], escape[-1])


def _forms(text: str) -> set[str]:
    """A text as different programs write it."""
    normal = {text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)}
    written = set(normal)
    for one in normal:
        data = one.encode("utf-8", "surrogatepass")
        written |= {quote(data, safe=""), quote(data), one.replace("'", "''")}
        # Statistics in a log of Delta are JSON inside JSON: a backslash before b is told from \\b only here.
        for ascii_only in (True, False):
            once = json.dumps(one, ensure_ascii=ascii_only)[1:-1]
            written |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
        written |= {html.escape(one), html.escape(one).replace("&#x27;", "&#39;")}
    return written


def _is_digest(text: str) -> bool:
    """Whether it looks like a SHA-256; a longer one is a pseudonym, which Delta cuts."""
    return len(text) <= 64 and _DIGEST.fullmatch(text) is not None


def _bound(text: str) -> str:
    """What statistics of Delta keep of a text: 64 bytes."""
    return text.encode("utf-8", "surrogatepass")[:64].decode("utf-8", "ignore")


class _Text:
    """A pseudonym, and how it may be found."""

    def __init__(self, text: str, others: Iterable[str], *, is_word: bool = False) -> None:
        self.text = text
        self.is_word = is_word
        self.is_common = is_word or _SHORT_NUMBER.fullmatch(text) is not None
        whole = {text, _bound(text)}
        forms = set().union(*map(_forms, whole))
        longer = {f for other in others if any(one in other for one in whole) for f in _forms(other)}
        token = _token(longer, forms, is_number=text.isdigit())
        # Volumes lie in folders named by two digits of a digest.
        elsewhere = r"(?<!images/)(?<!masks/)" if _TWO_DIGITS.fullmatch(text) else ""
        self._pattern = re.compile(elsewhere + token)
        # Letters and digits are never escaped; what is between them may be, more than once.
        plain = re.findall(r"[A-Za-z0-9]+", unicodedata.normalize("NFC", _bound(text)))
        # A few parts in a row: each gap multiplies the ways to try, and a UID has ten.
        few = max(_runs(plain), key=lambda run: len("".join(run)), default=[])
        self._around = _AROUND + (_ESCAPED * len(text) if few != plain else 0)
        gap = b".{1,%d}?" % (_ESCAPED * len(text))
        self._rough = re.compile(gap.join(part.encode() for part in few), re.DOTALL)
        encoded = {form.encode("utf-8", "surrogatepass") for form in forms}
        kept = {form for form in encoded if len(form) >= _LEAST_BYTES}
        self._raw = set() if self.is_common else kept

    def likely(self, data: bytes) -> Iterator[slice]:
        """Parts of a text that hold whatever may be this pseudonym, with what stands around it."""
        if not self._rough.pattern:
            yield slice(None)
            return
        begin = end = 0
        for match in self._rough.finditer(data):
            if match.start() - self._around > end:
                if end:
                    yield slice(begin, end)
                begin = max(match.start() - self._around, 0)
            end = match.end() + self._around
        if end:
            yield slice(begin, end)

    def count(self, view: str) -> int:
        hits = [match for match in self._pattern.finditer(view) if match.lastindex]
        if self.is_word:
            hits = [match for match in hits if _is_value(view, match)]
        if self.is_common:
            return sum(_names_a_patient(_last_key(view, match.start())) for match in hits)
        return len(hits)

    def in_binary(self, data: bytes) -> int:
        # Almost no block has it, so the places are judged one by one.
        return sum(self._standing(data, form) for form in self._raw if form in data)

    def _standing(self, data: bytes, form: bytes) -> int:
        count, at = 0, data.find(form)
        while at >= 0:
            near = slice(max(at - 512, 0), at + len(form) + 512)
            before = len(data[near.start : at].decode("utf-8", "replace"))
            hits = self._pattern.finditer(data[near].decode("utf-8", "replace"))
            count += any(hit.lastindex and hit.start() == before for hit in hits)
            at = data.find(form, at + 1)
        return count


def _runs(parts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of a text that stand in a row, as many as may be looked for together."""
    for start in range(max(1, len(parts) - _TOGETHER + 1)):
        yield parts[start : start + _TOGETHER]


def _token(longer: Iterable[str], forms: Iterable[str], *, is_number: bool) -> str:
    """A pattern whose only group is the text; a longer pseudonym is matched first, without group."""
    first = "|".join(re.escape(form) for form in sorted(longer, key=len, reverse=True))
    then = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    begin, end = r"(?<![^\W_])", r"(?![^\W_])"
    if is_number:  # not a part of 3.17 or 17.5
        begin, end = begin + r"(?<!\d\.)", end + r"(?!\.\d)"
    return f"{begin}(?:{first + '|' if first else ''}({then})){end}"


def _is_value(view: str, match: re.Match[str]) -> bool:
    """Whether a word is all of a value, in quotes or behind the sign that gives it."""
    before = view[max(match.start() - 8, 0) : match.start()]
    opened = any(sign.end() == len(before) for sign in _OPENS.finditer(before))
    return opened and _VALUE.match(view, match.end()) is not None


def _last_key(view: str, at: int) -> str:
    """The key, column or folder that a place in a text is the value of."""
    names = _KEY.findall(view[max(at - _WINDOW, 0) : at])
    return names[-1] if names else ""
