"""Environment variables: switches and numbers, and values that are none."""

import pytest
from rife_video.rife_core.basics.environment import is_on, whole_number

NAME = "RIFE_VIDEO_TRIED"


@pytest.mark.parametrize("value", ["", " ", "0", "no", "No", "off", "FALSE"])
def test_a_switch_is_off(value, monkeypatch):
    monkeypatch.delenv(NAME, raising=False)
    assert not is_on(NAME)
    monkeypatch.setenv(NAME, value)
    assert not is_on(NAME)


@pytest.mark.parametrize("value", ["1", "yes", "true", "2", "maybe", "\u2603"])
def test_a_switch_is_on(value, monkeypatch):
    monkeypatch.setenv(NAME, value)
    assert is_on(NAME)


def test_numbers(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)
    assert whole_number(NAME, 0, 9, 5) == 5
    with pytest.raises(ValueError, match=f"{NAME} is not set; it must be .* from 0 to 9"):
        whole_number(NAME, 0, 9)
    monkeypatch.setenv(NAME, " 7 ")
    assert whole_number(NAME, 0, 9, 5) == 7


@pytest.mark.parametrize("value", ["x", "-1", "10", "1.5", "nan", "9" * 5000, "\u00b2", "1_0"])
def test_what_is_no_number_is_named(value, monkeypatch):
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ValueError, match=f"{NAME} is .*; it must be a whole number") as told:
        whole_number(NAME, 0, 9, 5)
    assert len(str(told.value)) < 300
