"""Frames that are made anew: how they are named, and which can be."""

import pytest
from rife_video.rife_core.timeline.replaced import check_replaced, parse_replaced


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "'0' cannot be read"),
        ("5-3", "cannot be read"),
        ("two", "cannot be read"),
        ("1", "Frames 2 to 5 can be replaced"),
        ("4-6", "Frames 2 to 5 can be replaced"),
    ],
)
def test_frames_that_cannot_be_replaced(text, words):
    with pytest.raises(ValueError, match=words):
        check_replaced(parse_replaced(text), 6)


def test_long_runs_are_not_replaced():
    check_replaced(parse_replaced("10-14"), 60)
    with pytest.raises(ValueError, match="From frame 10 on 6 frames or more"):
        check_replaced(parse_replaced("10-15"), 60)


def test_a_run_of_a_milliard_frames_is_refused_before_it_is_counted():
    with pytest.raises(ValueError, match="From frame 1 on 6 frames or more"):
        parse_replaced("1-999999999")


def test_where_the_length_is_not_known_the_end_is_not_checked():
    check_replaced(parse_replaced("2, 900"), 0)
    check_replaced(frozenset(), 1)


def test_ways_to_name_frames():
    assert parse_replaced(" 9, 3 - 5,,4") == {3, 4, 5, 9}
    assert parse_replaced("7-7") == {7}
    assert parse_replaced("") == frozenset()
    assert parse_replaced("1-5") == {1, 2, 3, 4, 5}
    for text in ("1-6", "1234567890", "3-0"):
        with pytest.raises(ValueError, match=r"in a row can be|cannot be read"):
            parse_replaced(text)


def test_a_run_may_be_named_in_pieces():
    check_replaced(parse_replaced("2-4, 6-9"), 60)
    with pytest.raises(ValueError, match="From frame 2 on 6 frames or more"):
        check_replaced(parse_replaced("2-4, 5-7"), 60)


def test_which_frames_of_a_clip_have_neighbours():
    check_replaced(parse_replaced("2, 5"), 6)
    for frames, count, most in (({6}, 6, 5), ({7}, 6, 5), ({1}, 0, 2), ({2}, 2, 2)):
        with pytest.raises(ValueError, match=f"^Frames 2 to {most} can be replaced"):
            check_replaced(frozenset(frames), count)
