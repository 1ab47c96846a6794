"""Days of acquisition, moved so that they name no day while distances within a patient stay."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

_MOST_DAYS = 365


def shifted(day: date | None, key: bytes | None, patient: str) -> date | None:
    """A day moved by 1 to 365 days, the same number for all days of a patient.

    Args:
        day: as in the header.
        key: secret of the study; without one the day is dropped.
        patient: pseudonym.
    """
    if day is None or key is None:
        return None
    if day.year == 1:
        # Some archives write 00010101 for none, and there is no day before it.
        return None
    digest = hmac.digest(key, f"date\n{patient}".encode(), hashlib.sha256)
    return day - timedelta(days=1 + int.from_bytes(digest, "big") % _MOST_DAYS)
