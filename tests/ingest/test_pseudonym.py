"""Pseudonyms: the same for the same key, other for others, and never an identifier in a message."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.errors import CaseError, UsageError
from mvi_ray.ingest import pseudonym as module
from mvi_ray.ingest.crosswalk import Crosswalk
from mvi_ray.ingest.pseudonym import Identities, make_key, pseudonym, read_key

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
OTHER = bytes(32)


def test_pseudonym_is_that_of_the_definition() -> None:
    r"""HMAC-SHA-256 by OpenSSL, cut into groups of five bits by hand.

    printf 'identifier\n0471' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f, then the
    first 45 bits in Crockford's digits; the same with 'check\n' and these nine digits, 15 bits.
    """
    assert pseudonym(KEY, "0471") == "PVW8Q63VGKG0H"


@given(st.text(min_size=1).filter(str.strip))
def test_pseudonym_has_its_form_and_is_known_again(identifier: str) -> None:
    """It is a name that a manifest takes, and stays itself when it comes back."""
    identify = Identities(key=KEY)
    made = identify(identifier)
    assert re.fullmatch("P[0-9A-HJKMNP-TV-Z]{12}", made)
    assert identify(made) == made
    assert Identities(key=KEY)(f" {identifier} ") == made


def test_another_key_makes_other_pseudonyms() -> None:
    """So hospitals with keys of their own cannot be joined by their numbers."""
    assert pseudonym(KEY, "0471") != pseudonym(OTHER, "0471")


def test_numbers_of_a_hospital_have_different_pseudonyms() -> None:
    """20,000 of them: two alike by chance would be one in 176,000 such lists."""
    assert len({pseudonym(KEY, f"{number:07}") for number in range(20_000)}) == 20_000


def test_pseudonym_of_another_key_is_refused() -> None:
    """Hashed once more it would be a patient of its own, in silence."""
    made = pseudonym(OTHER, "0471")
    with pytest.raises(
        CaseError, match="was not made with this key; give the key it was made with"
    ) as caught:
        Identities(key=KEY)(made)
    assert made not in caught.value.message


def test_crosswalk_comes_before_the_key() -> None:
    """What it does not hold is hashed."""
    identify = Identities(Crosswalk({"0471": "P01"}), KEY)
    assert identify("0471") == "P01"
    assert identify("P01") == "P01"
    assert identify("0600") == pseudonym(KEY, "0600")


def test_second_identifier_joins_a_patient_of_the_key() -> None:
    """A crosswalk may name the pseudonym that the key gives to the first one."""
    first = pseudonym(KEY, "0471")
    identify = Identities(Crosswalk({"H-9": first}), KEY)
    assert identify("0471") == identify("H-9") == first


@pytest.mark.parametrize(
    ("identifier", "key", "message"),
    [
        ("MUELLER-8", None, "is not in the crosswalk; add it, or give a key with --key"),
        ("mueller 7", KEY, "differs from one in the crosswalk in zeros.* only; add it"),
        ("  ", KEY, "is blank; fill it in"),
    ],
)
def test_identifier_without_pseudonym_is_told_without_it(
    identifier: str, key: bytes | None, message: str
) -> None:
    """The case is left out; whose it is stays unsaid."""
    with pytest.raises(CaseError, match=message) as caught:
        Identities(Crosswalk({"MUELLER-7": "P01"}), key)(identifier)
    assert "mueller" not in caught.value.message.lower()


def test_collision_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one digit of hash it comes soon; two patients never become one."""
    monkeypatch.setattr(module, "_HASH", 1)
    monkeypatch.setattr(module, "_CHECK", 0)
    with pytest.raises(CaseError, match="two patient identifiers have the same keyed hash; name one"):
        list(map(Identities(key=KEY), map(str, range(100, 133))))


def test_new_key_is_secret_and_random(tmp_path: Path) -> None:
    """Readable for its owner, whatever the umask; two keys differ."""
    old = os.umask(0)
    try:
        make_key(tmp_path / "a.key")
        make_key(tmp_path / "b.key")
    finally:
        os.umask(old)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert re.fullmatch("[0-9a-f]{64}\n", (tmp_path / "a.key").read_text())
    assert len(read_key(tmp_path / "a.key")) == 32
    assert read_key(tmp_path / "a.key") != read_key(tmp_path / "b.key")


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    """With it all pseudonyms would be lost."""
    path = tmp_path / "a.key"
    make_key(path)
    before = path.read_text()
    with pytest.raises(UsageError, match="is there already, and another key makes other pseudonyms; use it"):
        make_key(path)
    assert path.read_text() == before


def test_key_inside_a_project_is_refused(tmp_path: Path) -> None:
    """Neither made nor read there."""
    (tmp_path / "study.yaml").touch()
    path = tmp_path / "secrets" / "a.key"
    path.parent.mkdir()
    for use in (make_key, read_key):
        with pytest.raises(UsageError, match="the key lies inside a project directory"):
            use(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("ab" * 32, 0o644, "everybody on this machine may read the key; take that away with chmod 600"),
        ("ab" * 32, 0o602, "everybody"),
        ("ab" * 31, 0o600, "does not hold 64 hex digits; give the file that `mvi key FILE` wrote"),
        ("AB" * 400, 0o600, "does not hold 64 hex digits"),
        ("secret ü", 0o600, "does not hold 64 hex digits"),
        ("", 0o600, "does not hold 64 hex digits"),
    ],
)
def test_key_that_cannot_be_used_is_told_without_it(
    tmp_path: Path, content: str, mode: int, message: str
) -> None:
    """Its content stays out of the message."""
    path = tmp_path / "a.key"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    with pytest.raises(UsageError, match=message) as caught:
        read_key(path)
    assert not content or content not in caught.value.message


def test_missing_key_and_folder_are_told(tmp_path: Path) -> None:
    """With the way to a key, and without the path."""
    with pytest.raises(UsageError, match="does not exist; write one with `mvi key FILE`"):
        read_key(tmp_path / "a.key")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read_key(tmp_path)
    assert str(tmp_path) not in caught.value.message
    with pytest.raises(UsageError, match=r"the key cannot be written: .*; check the folder"):
        make_key(tmp_path / "none" / "a.key")
