"""Elements of a DICOM header as numbers and words, whatever bytes stand in them.

pydicom converts a value when it is asked for, and remarks on odd ones by quoting them in a
warning and in its log. Headers name patients, so values are taken as the bytes they are.
"""

from __future__ import annotations

import math
import struct
import zlib
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from mvi_ray.errors import CaseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST_FILE = 8 * 2**30
"""Bytes of one file, packed or unpacked; larger ones are refused before they are read."""

_PREAMBLE, _MARK = 128, b"DICM"
_FIRST_ELEMENTS = {b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00"}
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
SECONDS_OF_DAY = 86400.0
UNDATED_BELOW = 2 * SECONDS_OF_DAY
"""An instant below this many seconds has no date; past midnight it is one of the second day."""


def key_of(uid: str) -> str:
    """First twelve hex digits of the SHA-256 of a UID: enough to tell, too little to look up."""
    return sha256(uid.encode()).hexdigest()[:12]


def begins_as(path: Path) -> Literal["preamble", "data", "other"]:
    """How a file begins: as DICOM with its preamble, as old DICOM may without one, or otherwise.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_PREAMBLE + len(_MARK))
    if head[_PREAMBLE:] == _MARK:
        return "preamble"
    # Without preamble the first element is of group 0008, and its number is a small one.
    return "data" if head[:4] in _FIRST_ELEMENTS else "other"


def load(path: Path, tags: Sequence[int], *, pixels: bool = False) -> Elements:
    """Read the named elements of one file.

    Args:
        path: a file that begins as DICOM.
        tags: which elements; those inside a named sequence come with it.
        pixels: whether pixel data are among them.

    Raises:
        CaseError: the file is damaged, too large, or cannot be read.
    """
    import pydicom

    try:
        _check_size(path)
        found = pydicom.dcmread(path, stop_before_pixels=not pixels, specific_tags=list(tags), force=True)
    except OSError as error:
        raise CaseError(f"DICOM file cannot be read: {error.strerror}; check its permissions") from None
    except CaseError:
        raise
    except Exception:  # noqa: BLE001  # pydicom raises a dozen kinds, whatever the bytes lead it to
        raise CaseError("DICOM file is damaged or ends early; copy it anew") from None
    return Elements(found)


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        if _DEFLATED in head and size <= LARGEST_FILE:
            size = _inflated_size(file, head)
    if size > LARGEST_FILE:
        raise CaseError(
            f"DICOM file is larger than {LARGEST_FILE // 2**30} GiB; export the series slice by slice"
        )


def _inflated_size(file: Any, head: bytes) -> int:
    # The group length, 12 bytes behind the mark, says where the deflated part begins.
    at = _PREAMBLE + len(_MARK)
    (length,) = struct.unpack_from("<I", head, at + 8)
    file.seek(at + 12 + length)
    inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    rest: bytes = file.read(2**16)
    while rest and total <= LARGEST_FILE and not inflate.eof:
        total += len(inflate.decompress(rest, 2**24))
        rest = inflate.unconsumed_tail or file.read(2**16)
    return total


class Elements:
    """Some elements of a header, or of an item of a sequence.

    Every question has an answer: what is missing, empty or not of the asked kind is None or empty.

    Args:
        dataset: as pydicom read it.
    """

    __slots__ = ("dataset",)

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    @property
    def transfer_syntax(self) -> str:
        """UID of how the file is written; empty when it does not say."""
        return self._meta("TransferSyntaxUID")

    @property
    def media_class(self) -> str:
        """UID of what the file is, as it stands before the header proper; empty when it does not say."""
        return self._meta("MediaStorageSOPClassUID")

    def _meta(self, keyword: str) -> str:
        try:
            return str(getattr(self.dataset.file_meta, keyword))
        except Exception:  # noqa: BLE001  # missing, or bytes that pydicom trips over
            return ""

    def _value(self, tag: int) -> tuple[Any, str, bool]:
        item = self.dataset.get_item(tag)
        if item is None:
            return None, "", True
        kind = item.VR
        if kind is None or kind == "UN":
            from pydicom.datadict import dictionary_VR

            try:
                kind = dictionary_VR(tag)
            except KeyError:
                kind = "UN"
        return item.value, str(kind), getattr(item, "is_little_endian", True)

    def raw(self, tag: int) -> bytes:
        """Bytes of an element; empty when it is missing."""
        value, _, _ = self._value(tag)
        return value if isinstance(value, bytes) else b""

    def words(self, tag: int) -> tuple[str, ...]:
        """Values of an element of plain text: UIDs, codes, numbers."""
        value, _, _ = self._value(tag)
        if value is None:
            return ()
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        parts = value.split("\\") if isinstance(value, str) else list(_as_list(value))
        stripped = tuple(str(part).strip(" \0\t\r\n") for part in parts)
        return stripped if any(stripped) else ()

    def word(self, tag: int) -> str:
        """First value, or an empty text."""
        return next(iter(self.words(tag)), "")

    def text(self, tag: int) -> str:
        """A free text in the character set of the file; a backslash in it separates nothing."""
        try:
            element = self.dataset.get(tag, None)
            if element is None or element.value is None:
                return ""
            several = hasattr(element.value, "append")
            text = "\\".join(map(str, element.value)) if several else str(element.value)
            return text.strip(" \0")
        except Exception:  # noqa: BLE001  # an unknown character set, and what else pydicom trips over
            return "\\".join(self.words(tag))

    def numbers(self, tag: int) -> tuple[float, ...]:
        """All values, when every one of them is a finite number."""
        value, kind, little = self._value(tag)
        try:
            if isinstance(value, bytes) and kind in _BINARY:
                code = _BINARY[kind]
                count = len(value) // struct.calcsize(code)
                found = struct.unpack_from(f"{'<' if little else '>'}{count}{code}", value)
            elif isinstance(value, int | float):
                found = (value,)
            else:
                found = tuple(float(word) for word in self.words(tag))
            numbers = tuple(float(number) for number in found)
        except (TypeError, ValueError, OverflowError, struct.error):
            return ()
        return numbers if all(math.isfinite(number) for number in numbers) else ()

    def number(self, tag: int) -> float | None:
        """First value as a finite number."""
        return next(iter(self.numbers(tag)), None)

    def whole(self, tag: int) -> int | None:
        """First value as a whole number."""
        number = self.number(tag)
        return int(number) if number is not None and number == int(number) else None

    def items(self, tag: int) -> list[Elements]:
        """Items of a sequence."""
        try:
            value = self.dataset[tag].value if tag in self.dataset else ()
            return [Elements(item) for item in value if hasattr(item, "get_item")]
        except Exception:  # noqa: BLE001  # a sequence is parsed when it is asked for
            return []

    def item(self, tag: int) -> Elements | None:
        """First item of a sequence."""
        return next(iter(self.items(tag)), None)

    def day(self, tag: int) -> date | None:
        """A date."""
        return as_day(self.word(tag))

    def instant(self, stamp: int, day: int, time: int) -> float | None:
        """Seconds since a fixed day, from a stamp of date and time or from a pair of elements.

        Without a date they are seconds since midnight.
        """
        text = self.word(stamp)
        found = as_day(text[:8])
        if found is not None and len(text) >= 10:
            # A zone may stand behind the time; within one series it does not change.
            seconds = as_seconds(text[8:].partition("+")[0].partition("-")[0])
        else:
            found, seconds = self.day(day), as_seconds(self.word(time))
        if seconds is None:
            return None
        return seconds + (0.0 if found is None else found.toordinal() * SECONDS_OF_DAY)


def as_day(text: str) -> date | None:
    """A DICOM date, 20080515 or in the old way 2008.05.15."""
    digits = text.replace(".", "")
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def as_seconds(text: str) -> float | None:
    """A DICOM time as seconds since midnight: 103238.25, 1032, or in the old way 10:32:38."""
    digits, _, fraction = text.replace(":", "").partition(".")
    if len(digits) not in (2, 4, 6) or not (digits + fraction).isascii() or not (digits + fraction).isdigit():
        return None
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0)
    # 60 is a leap second.
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return hours * 3600.0 + minutes * 60.0 + seconds + (float(f"0.{fraction}") if fraction else 0.0)


def past_midnight(instants: Sequence[float | None]) -> list[float | None]:
    """Instants of one examination in which those past midnight come last; see `Elements.instant`.

    Without dates 23:59 and 00:01 look a day apart. An examination takes less than half a day, so
    where they are farther apart the early ones are of the next day.
    """
    undated = [at for at in instants if at is not None and at < SECONDS_OF_DAY]
    if not undated or max(undated) - min(undated) <= SECONDS_OF_DAY / 2:
        return list(instants)
    turn = max(undated) - SECONDS_OF_DAY / 2
    return [at if at is None or at >= turn else at + SECONDS_OF_DAY for at in instants]


def _as_list(value: Any) -> Sequence[Any]:
    return value if hasattr(value, "__iter__") else (value,)


def references(elements: Elements, tag: int, wanted: int) -> set[str]:
    """Values of an element anywhere inside a sequence."""
    found: set[str] = set()
    waiting = elements.items(tag)
    while waiting:
        item = waiting.pop()
        found.update(item.words(wanted))
        for inner in list(item.dataset.keys()):
            kind = item.dataset.get_item(inner).VR
            if kind == "SQ":
                waiting.extend(item.items(inner))
    return found
