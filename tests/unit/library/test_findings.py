"""What `look_ahead` gives; tests/component/test_cli_strategies.py compares it with the command."""

import pytest

import tradepulse as tp
from tradepulse.library.findings import Finding
from tradepulse.strategies.detectors import Detection


def detection(name: str, *, passed: bool) -> Detection:
    return Detection(name, passed, "an output of row 7 > 3 changed", 7, 10, 10, 4)  # type: ignore[arg-type]


def test_a_finding_says_what_the_command_says() -> None:
    clean = (detection("look-ahead", passed=True), detection("recursive", passed=True))
    peeks = (detection("look-ahead", passed=False), detection("recursive", passed=True))
    assert Finding({"clean": clean}).passed
    found = Finding({"clean": clean, "peeks": peeks})
    assert not found.passed
    assert found.lines == [
        "ok    clean: look-ahead: an output of row 7 > 3 changed",
        "ok    clean: recursive: an output of row 7 > 3 changed",
        "FOUND peeks: look-ahead: an output of row 7 > 3 changed",
        "ok    peeks: recursive: an output of row 7 > 3 changed",
    ]
    assert str(found) == "\n".join(found.lines)
    assert "FOUND peeks: look-ahead: an output of row 7 &gt; 3 changed" in found._repr_html_()


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown strategy 'sma_crass'"):
        tp.look_ahead("sma_crass")
    with pytest.raises(ValueError, match="'fast' is 1; it must be from 2 to 200"):
        tp.look_ahead("sma_cross", params={"fast": 1})
    with pytest.raises(ValueError, match=r"strategy file no_such\.py: No such file"):
        tp.look_ahead("no_such.py")
