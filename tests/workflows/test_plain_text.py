"""Text from elsewhere, made fit for a terminal."""

import pytest
from rife_video.workflows.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x1b[2J\x07bell", "\ufffd[2J\ufffdbell"),
        ("\x7f\x9b31m", "\ufffd\ufffd31m"),
        ("abc\u202efdp.exe", "abc\ufffdfdp.exe"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("na\u00efve \u65e5\u672c \U0001f600", "na\u00efve \u65e5\u672c \U0001f600"),
        (None, "None"),
    ],
)
def test_what_could_steer_a_terminal_is_replaced(text, shown):
    assert plain(text) == shown
    plain(text).encode()


def test_long_texts_are_cut():
    assert plain("x" * 30_000) == "x" * 20_000 + "..."
    assert plain("12345", 5) == "12345"
