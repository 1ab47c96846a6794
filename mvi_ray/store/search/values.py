"""Numbers of a patient, looked for in arrays, in bytes and in text."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.store.search.needles import LEAST_DIGITS, neighbours, significant_digits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mvi_ray.store.search.needles import Needles

_NUMBER = re.compile(rb"(?=[\d.]{12})\d{1,40}(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?")


class Numbers:
    """Values and pairs of neighbours in embeddings, looked up by the bits that they have in memory."""

    def __init__(self, needles: Needles) -> None:
        values = np.asarray(needles.values, "<f8")
        pairs = np.unique(neighbours(needles.floats)) if needles.floats.size > 1 else np.empty(0, np.uint64)
        self._pairs = _Table(pairs[pairs != 0])
        self._values = _Table(values.view(np.uint64))
        self._both = _Table(np.concatenate([values.view(np.uint64), pairs[pairs != 0]]))
        self._sizes = np.sort(np.abs(values))

    def in_bytes(self, data: bytes) -> int:
        """Needles at any offset, little-endian."""
        return self._both.in_bytes(data)

    def in_array(self, numbers: NDArray[np.float64]) -> int:
        """Needles in numbers of one column or list, also in embeddings widened to float64."""
        return self._values.count(numbers.view(np.uint64)) + self.in_pairs(numbers)

    def in_pairs(self, numbers: NDArray[np.float64]) -> int:
        """Pairs of embedding values, one behind the other."""
        if not self._pairs.size:
            return 0
        return self._pairs.count(neighbours(narrow(numbers)))

    def in_text(self, data: bytes) -> int:
        """Written numbers of 12 significant digits or more that are a value, rounded to these digits."""
        if not self._sizes.size:
            return 0
        written = _NUMBER.findall(data)
        if not written:
            return 0
        numbers = np.array(written, np.bytes_).astype(np.float64)
        numbers[~np.isfinite(numbers)] = 0
        near = np.flatnonzero(self._distance(numbers) <= 10.0 ** (1 - LEAST_DIGITS) * numbers)
        digits = np.array([significant_digits(written[i].decode()) for i in near], np.int64)
        # Half a unit of the last digit that is written, and the last bit of a double.
        power = np.floor(np.log10(np.maximum(numbers[near], sys.float_info.min)))
        allowed = 0.5 * 10.0 ** (power + 1 - digits) + sys.float_info.epsilon * numbers[near]
        return int(((digits >= LEAST_DIGITS) & (self._distance(numbers[near]) <= allowed)).sum())

    def _distance(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the nearest value is, signs left aside."""
        last = self._sizes.size - 1
        at = np.searchsorted(self._sizes, numbers)
        below, above = self._sizes[np.clip(at - 1, 0, last)], self._sizes[np.clip(at, 0, last)]
        distance: NDArray[np.float64] = np.minimum(np.abs(below - numbers), np.abs(above - numbers))
        return distance


def narrow(array: NDArray[Any]) -> NDArray[np.float32]:
    """As float32; NaN where that would change the value."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = array.astype(np.float32)
        single[single != array] = np.nan
    return single


class Digits:
    """Texts of 11 bytes or more, ruled out in one pass over the bytes: however many there are.

    Args:
        texts: hexadecimal digests.
    """

    def __init__(self, texts: Iterable[bytes]) -> None:
        # Wherever a text stands, eight bytes of it begin at a multiple of four.
        parts = b"".join(text[at : at + 8] for text in texts for at in range(4))
        self._parts = _Table(np.frombuffer(parts, "<u8"))

    def may_be_in(self, data: bytes) -> bool:
        """False where none of the texts is."""
        if len(data) < 8:
            return False
        return self._parts.count(np.ndarray(((len(data) - 4) // 4,), "<u8", data, strides=(4,))) > 0


class _Table:
    """A set of 64-bit patterns.

    Args:
        patterns: uint64.
    """

    _BITS = 20

    def __init__(self, patterns: NDArray[np.uint64]) -> None:
        self._sorted = np.unique(patterns)
        self.size = self._sorted.size
        self._hashes = np.zeros(1 << self._BITS, bool)
        self._hashes[self._hash(self._sorted)] = True
        tops = {int(top) for top in np.unique(self._sorted >> np.uint64(56))}
        self._tops = bytes(byte in tops for byte in range(256))

    def _hash(self, bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
        hashed: NDArray[np.uint64] = (bits * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - self._BITS)
        return hashed

    def count(self, bits: NDArray[np.uint64]) -> int:
        """How many of the patterns given are in the set."""
        if not self.size:
            return 0
        likely = bits[self._hashes[self._hash(bits)]]
        at = np.minimum(np.searchsorted(self._sorted, likely), self.size - 1)
        return int((self._sorted[at] == likely).sum())

    def in_bytes(self, data: bytes) -> int:
        """At how many offsets eight bytes are a pattern, read as little-endian."""
        if not self.size or len(data) < 8:
            return 0
        # Feature values have few exponents: the last byte rules out most places.
        last = np.frombuffer(data.translate(self._tops), bool)[7:]
        windows = np.ndarray((last.size,), "<u8", data, strides=(1,))
        return self.count(windows[np.flatnonzero(last)])
