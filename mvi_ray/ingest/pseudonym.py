"""Pseudonyms: from a crosswalk, else from a keyed hash of the identifier.

A plain hash of a hospital number is no pseudonym: all numbers can be tried in seconds. With a
secret key (HMAC, RFC 2104, over SHA-256) only its owner can do that.

A pseudonym is ``P`` and twelve digits of Crockford's base 32. Nine of them, 45 bits, are the
hash; two of 10,000 patients share them with a probability of 1.4 in a million, and a call that
meets such a pair stops. The last three are a check made with the same key: so that a pseudonym
is known when it comes back, in a manifest or in a clinical table, and is not hashed again,
while a hospital number that looks like one passes once in 32,768 times only.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError, UsageError
from mvi_ray.ingest.crosswalk import outside_projects, tidy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mvi_ray.ingest.crosswalk import Crosswalk

    Identify = Callable[[str], str]
    """Takes an identifier, gives the pseudonym; raises CaseError when there is none."""

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM = re.compile(rf"P[{_DIGITS}]{{12}}")
_HASH, _CHECK = 9, 3
_KEY = re.compile(r"[0-9a-f]{64}")
_WAY_OUT = "give the file that `mvi key FILE` wrote"


def make_key(path: Path) -> None:
    """Write a new secret key: 32 random bytes as hex digits, for the eyes of its owner only.

    Raises:
        UsageError: the file is there already, lies in a project directory, or cannot be written.
    """
    outside_projects(path, "key")
    try:
        # Created closed, never opened wide and closed afterwards; an old key is never lost.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    except FileExistsError:
        raise UsageError(
            f"{path.name} is there already, and another key makes other pseudonyms; use it, or name another"
        ) from None
    except OSError as error:
        raise UsageError(f"the key cannot be written: {error.strerror}; check the folder") from None


def read_key(path: Path) -> bytes:
    """Read a secret key.

    Raises:
        UsageError: it is missing, no key, readable for everybody, or lies in a project directory.
    """
    outside_projects(path, "key")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(80)
    except FileNotFoundError:
        raise UsageError("the key file does not exist; write one with `mvi key FILE`") from None
    except OSError as error:
        raise UsageError(f"the key file cannot be read: {error.strerror}; check its permissions") from None
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise UsageError("everybody on this machine may read the key; take that away with chmod 600")
    text = content.decode("ascii", errors="replace").strip()
    if not _KEY.fullmatch(text):
        raise UsageError(f"the key file does not hold 64 hex digits; {_WAY_OUT}")
    return bytes.fromhex(text)


def pseudonym(key: bytes, identifier: str) -> str:
    """The pseudonym that a key gives to an identifier."""
    digits = _digits(key, f"identifier\n{tidy(identifier)}", _HASH)
    return f"P{digits}{_check(key, digits)}"


def _check(key: bytes, digits: str) -> str:
    return _digits(key, f"check\n{digits}", _CHECK)


def _digits(key: bytes, text: str, count: int) -> str:
    number = int.from_bytes(hmac.digest(key, text.encode(), hashlib.sha256), "big")
    return "".join(_DIGITS[number >> 256 - 5 * (at + 1) & 31] for at in range(count))


class Identities:
    """Gives pseudonyms, and stops where two patients would get the same one.

    A pseudonym of the crosswalk or of the key stays what it is, so a manifest that was made with
    them may be read with them again.

    Args:
        crosswalk: looked into first.
        key: for identifiers that it does not hold.
    """

    def __init__(self, crosswalk: Crosswalk | None = None, key: bytes | None = None) -> None:
        self._crosswalk = crosswalk
        self._key = key
        self._given: dict[str, str] = {}

    def __call__(self, identifier: str) -> str:
        """The pseudonym of an identifier.

        Raises:
            CaseError: it is blank, or there is no pseudonym for it; the message does not repeat it.
        """
        plain = tidy(identifier)
        if not plain:
            raise CaseError("patient identifier is blank; fill it in, or leave the files out")
        found = None if self._crosswalk is None else self._crosswalk.find(plain)
        if found is not None:
            return found
        if self._crosswalk is not None and self._crosswalk.is_near(plain):
            raise CaseError(
                "patient identifier differs from one in the crosswalk in zeros, blanks, signs or upper and "
                "lower case only; add it to the crosswalk as it stands in the files"
            )
        if self._key is None:
            raise CaseError("patient identifier is not in the crosswalk; add it, or give a key with --key")
        return self._keyed(self._key, plain)

    def _keyed(self, key: bytes, plain: str) -> str:
        if _FORM.fullmatch(plain):
            if plain[-_CHECK:] != _check(key, plain[1:-_CHECK]):
                raise CaseError(
                    "patient identifier looks like a pseudonym and was not made with this key; "
                    "give the key it was made with, or name it in a crosswalk"
                )
            return plain
        made = pseudonym(key, plain)
        if self._given.setdefault(made, plain) != plain:
            raise CaseError("two patient identifiers have the same keyed hash; name one in a crosswalk")
        return made


def trusted(identifier: str) -> str:
    """An identifier that is a pseudonym already.

    Raises:
        CaseError: it is blank.
    """
    plain = tidy(identifier)
    if not plain:
        raise CaseError("patient identifier is blank; fill it in, or leave the files out")
    return plain
