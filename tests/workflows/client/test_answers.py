"""Answers of servers: forms, and sentences made of them."""

import pytest
from rife_video.workflows.client import answers
from rife_video.workflows.client.answers import (
    ENTRY,
    HISTORY,
    MESSAGE,
    QUEUE,
    QUEUED,
    failure,
    fits,
    parse,
    refusal,
    saved_files,
    texts,
)
from rife_video.workflows.client.errors import BadAnswerError

TITLES = {"2": "Make it smooth"}


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (b"<html>", QUEUED, "is no JSON"),
        (b"[" * 100_000, QUEUED, "nested too deeply|no JSON"),
        (b"[]", QUEUED, "the answer is a list; expected an object"),
        (b"{}", QUEUED, "the answer has no 'prompt_id'"),
        (b'{"prompt_id": null}', QUEUED, "prompt_id is null; expected text"),
        (b'{"queue_running": [[1]], "queue_pending": []}', QUEUE, "a list of 2 or more"),
        (b'{"a": 3}', HISTORY, r"a is 3; expected an object"),
        (b'{"outputs": {"1": 5}}', ENTRY, r"outputs\.1 is 5; expected an object"),
        (b'{"type": "x", "data": "y"}', MESSAGE, 'data is "y"; expected an object'),
    ],
)
def test_answers_of_another_form_are_named(content, form, message):
    with pytest.raises(BadAnswerError, match=f"^/where: .*({message})"):
        parse(content, form, "/where")


def test_answers_of_the_form_are_taken():
    assert parse(b'{"prompt_id": "a", "more": 1}', QUEUED, "") == {"prompt_id": "a", "more": 1}
    assert fits({"status": None, "outputs": {"1": None}}, ENTRY)
    assert fits({"queue_running": [[1, "id", {}]], "queue_pending": []}, QUEUE)


def test_an_answer_of_too_many_values_is_not_parsed(monkeypatch):
    monkeypatch.setattr(answers, "_MAX_VALUES", 10)
    with pytest.raises(BadAnswerError, match="more than 10 values"):
        parse(b"[" + b"0," * 20 + b"0]", [int], "/where")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            {"node_errors": {"2": {"errors": [{"message": "too big", "details": "multiplier"}]}}},
            "Make it smooth (node 2): too big: multiplier",
        ),
        ({"error": {"message": "no outputs", "details": ""}, "node_errors": {}}, "no outputs"),
        ({"error": "busy"}, "busy"),
        ({"node_errors": [1], "error": None}, "it does not say why"),
    ],
)
def test_refusals_as_sentences(answer, sentence):
    assert refusal(answer, TITLES) == sentence


def test_failures_as_sentences():
    def entry(kind, **data):
        return {"status": {"status_str": "error", "messages": [[kind, {"node_id": "2", **data}]]}}

    assert failure({"status": {"status_str": "success"}}, TITLES) is None
    told = failure(entry("execution_error", exception_message="no \x1b room\n"), TITLES)
    assert told == "Make it smooth (node 2) failed: no \ufffd room"
    assert "cancelled" in failure(entry("execution_interrupted"), TITLES)
    assert "does not say why" in failure(entry("something_else"), TITLES)


def test_what_was_saved_goes_before_what_is_only_shown():
    shown = {"filename": "p.png", "type": "temp"}
    saved = {"filename": "a.mp4", "subfolder": "video", "type": "output"}
    entry = {"outputs": {"1": {"images": [shown]}, "2": {"images": [saved, saved]}, "3": None}}
    assert saved_files(entry) == [saved]
    assert saved_files({"outputs": {"1": {"images": [shown]}}}) == [shown]
    with pytest.raises(BadAnswerError, match="filename is 3"):
        saved_files({"outputs": {"1": {"images": [{"filename": 3}]}}})
    assert texts({"outputs": {"1": {"text": ["a", "b"]}, "2": {"text": "c"}}}) == ["a", "b", "c"]
