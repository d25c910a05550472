"""A refusal carries its line and its code, and is a `ValueError` for all who want the line only."""

import pytest

from tradepulse.runtime.refusals import NotFoundError, RefusedError, refused_as


def test_a_refusal_has_a_line_and_a_code() -> None:
    refused = RefusedError("too_late", "it is too late")
    assert (str(refused), refused.code) == ("it is too late", "too_late")
    missing = NotFoundError("there is no such thing")
    assert (str(missing), missing.code) == ("there is no such thing", "not_found")
    assert isinstance(missing, ValueError)


def test_a_room_that_knows_no_codes_is_given_one() -> None:
    with pytest.raises(RefusedError, match="out of range") as caught, refused_as("bad_range"):
        raise ValueError("out of range")
    assert caught.value.code == "bad_range"
    with pytest.raises(NotFoundError, match="none") as caught, refused_as("bad_range"):
        raise NotFoundError("none")
    assert caught.value.code == "not_found"
