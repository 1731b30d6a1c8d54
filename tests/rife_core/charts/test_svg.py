"""The marks of charts are well-formed and say what they are given."""

from xml.etree import ElementTree

from rife_video.rife_core.charts import svg


def parsed(*marks):
    return ElementTree.fromstring("\n".join((svg.opening(100, 50), *marks, "</svg>")))


def test_a_picture_holds_its_marks():
    picture = parsed(svg.bar(1, 2, 3.04, 4, "#123"), svg.line(0, 1, 2, 3, "#abc", "3 3"))
    assert picture.get("viewBox") == "0 0 100 50"
    _, bar, line = picture
    assert (bar.get("x"), bar.get("width"), bar.get("fill")) == ("1.0", "3.0", "#123")
    assert (line.get("x2"), line.get("y2"), line.get("stroke-dasharray")) == ("2.0", "3.0", "3 3")


def test_solid_lines_have_no_dashes():
    assert parsed(svg.line(0, 0, 1, 1, "#000"))[1].get("stroke-dasharray") is None


def test_names_of_clips_cannot_break_the_picture():
    words = '</svg> "a" & <b>'
    text = parsed(svg.text(5, 6, words, "end", bold=True, halo=True))[1]
    assert text.text == words
    assert text.get("text-anchor") == "end"
    assert text.get("font-weight") == "bold"
    assert text.get("paint-order") == "stroke"
