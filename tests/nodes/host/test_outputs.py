"""Outputs that carry a text for the node, and unpack as if they carried none."""

from rife_video.nodes.host import Outputs


def test_they_unpack_as_outputs_do_and_the_last_one_is_shown():
    answer = Outputs((3, "three were made"))
    number, report = answer
    assert (number, report) == answer["result"] == (3, "three were made")
    assert answer["ui"] == {"text": ("three were made",)}


def test_another_text_can_be_shown():
    answer = Outputs((3, 8.0), "three were made")
    assert answer["result"] == (3, 8.0)
    assert answer["ui"] == {"text": ("three were made",)}
