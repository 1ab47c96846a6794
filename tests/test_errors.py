"""Every error survives the way between processes, and splits into what is wrong and the way out."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray import errors


def _family(base: type[errors.MviError]) -> list[type[errors.MviError]]:
    return [base, *(inner for child in base.__subclasses__() for inner in _family(child))]


CLASSES = sorted(set(_family(errors.MviError)), key=lambda cls: cls.__name__)


def test_every_exception_of_the_module_descends_from_the_base() -> None:
    """A caller who catches the base catches everything that a user can do something about."""
    found = {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)}
    assert found == set(CLASSES)
    assert len(found) >= 15


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_error_survives_pickling(cls: type[errors.MviError], protocol: int) -> None:
    """Class, message, reason and way out are the same on the far side."""
    error = cls("P07 AP: mask is empty; a; check the label (got 1)")
    there = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
    assert type(there) is cls
    assert there.args == error.args
    assert there.message == "P07 AP: mask is empty; a; check the label (got 1)"
    assert there.reason == "P07 AP: mask is empty; a"
    assert there.way_out == "check the label (got 1)"
    assert str(copy.copy(error)) == str(error)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=40))
def test_reason_and_way_out_lose_no_text(message: str) -> None:
    """The two parts and the semicolon between them are the whole message."""
    error = errors.MviError(message)
    assert message in {error.reason, f"{error.reason}; {error.way_out}"}
    assert "; " not in error.way_out


def test_message_without_a_way_out_is_all_reason() -> None:
    """A semicolon without a blank does not split."""
    error = errors.CaseError("a;b")
    assert (error.reason, error.way_out) == ("a;b", "")


def test_error_without_arguments_has_an_empty_message() -> None:
    """An error raised bare does not break whoever shows it."""
    error = errors.StoreError()
    assert (error.message, error.reason, error.way_out) == ("", "", "")


@pytest.mark.parametrize("cls", [errors.GeometryError, errors.MaskError, errors.ExtractionError])
def test_fault_of_one_case_is_a_case_error(cls: type[errors.CaseError]) -> None:
    """What one case does wrong is caught where siblings go on."""
    assert issubclass(cls, errors.CaseError)


@pytest.mark.parametrize("cls", [errors.StudyError, errors.ManifestError, errors.StoreError])
def test_fault_of_the_whole_is_no_case_error(cls: type[errors.MviError]) -> None:
    """A broken study must not pass as one broken case."""
    assert not issubclass(cls, errors.CaseError)
