"""What must not be found of a patient who was erased."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

LEAST_DIGITS = 12
"""Significant digits that make a value one patient's."""


@dataclass(frozen=True, slots=True, eq=False)
class Needles:
    """Texts and numbers of one patient.

    A text counts as a whole token: a letter or a digit on either side makes it another one, so
    P1 is not in P10 or P1x, but it is in ``P1-AP.png`` and ``P1_AP``. A pseudonym that another
    one contains (P1 in P1-2, Neil in O'Neil) needs that one among the `others`.

    What a text's length allows to claim:

    - five bytes or more: absence from decoded content and from every file's raw bytes;
    - fewer: absence from text files, names and decoded strings. In raw binary bytes such a short
      text stands by chance;
    - a number of up to eight digits, such as 17: absence from columns, keys, conditions and
      folders that are named after a patient (``patient_id``, ``patient=17``) and from file names
      made of it alone. Elsewhere it cannot be told from a count or a size;
    - a word of the program or the study, such as NULL or AP: the same, and only where it is the
      whole value, since SQL and names of features hold such words everywhere.

    Args:
        texts: the pseudonym, and the hexadecimal digests of images and masks (those of 12
            digits or more are called digests, and need no ends of a token).
        values: float64, sorted, unique: feature values.
        floats: float32, embeddings one behind the other, in their own order: two neighbours
            together are one needle, because a single float32 is shared by chance.
        others: pseudonyms of patients who stay; what is found inside one of them does not count.
        words: those of the texts that are words of the program or the study.
    """

    texts: tuple[str, ...]
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    floats: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    others: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        values: ArrayLike = (),
        floats: ArrayLike = (),
        *,
        others: Iterable[str] = (),
        shared: ArrayLike = (),
    ) -> Self:
        """Keep the numbers that point at one patient.

        Args:
            texts: pseudonym and digests; blank ones and repetitions are dropped.
            values: feature values of any shape. Only finite ones whose shortest decimal form has
                12 significant digits or more are kept: 0.5 is everybody's.
            floats: embeddings, any shape, one behind the other.
            others: pseudonyms of patients who stay.
            shared: values that patients who stay have as well, such as 0.3333333333333333 or
                log2(6) of small regions: they are no needles.
        """
        unique = np.setdiff1d(np.asarray(values, np.float64), np.asarray(shared, np.float64))
        mine = tuple(dict.fromkeys(text for text in texts if text.strip()))
        return cls(
            mine,
            np.array([v for v in unique.tolist() if is_distinctive(v)]),
            np.asarray(floats, np.float32).ravel(),
            tuple(dict.fromkeys(other for other in others if other not in mine)),
        )


def is_distinctive(value: float) -> bool:
    """Whether the shortest decimal form of a finite number has 12 significant digits or more."""
    return bool(np.isfinite(value)) and significant_digits(repr(value)) >= LEAST_DIGITS


def significant_digits(number: str) -> int:
    """Significant digits of a decimal number as it is written, without zeros at its ends."""
    mantissa = number.lower().partition("e")[0]
    return len("".join(c for c in mantissa if c.isdigit()).strip("0"))


def neighbours(floats: NDArray[Any]) -> NDArray[np.uint64]:
    """Each float32 and the one behind it as the 64 bits that they fill in memory.

    Returns:
        One fewer than `floats`; 0, which no pair of needles has, where either of them has at
        most 12 binary digits (a zero of a ReLU, a half) or is not finite.
    """
    bits = np.ascontiguousarray(floats, np.float32).view(np.uint32).astype(np.uint64)
    fine = ((bits & np.uint64(0xFFF)) != 0) & np.isfinite(floats)
    pairs: NDArray[np.uint64] = bits[:-1] | (bits[1:] << np.uint64(32))
    pairs[~(fine[:-1] & fine[1:])] = 0
    return pairs
