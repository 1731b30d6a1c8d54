"""Files of workflows: which are taken, and what is said of the others."""

import json
from pathlib import Path

import pytest
import rife_video
from rife_video.workflows.graph_file import WorkflowError, read

EXAMPLES = Path(rife_video.__file__).parent / "workflows"
GRAPH = {"1": {"class_type": "Number", "inputs": {"value": 3}}}


def test_earlier_paths_of_the_examples_work(tmp_path):
    assert read(EXAMPLES / "interpolate_clip.api.json") == read(
        EXAMPLES / "api/interpolate_clip.api.json"
    )
    with pytest.raises(OSError, match=r"gone\.api\.json"):
        read(EXAMPLES / "gone.api.json")


def test_page_format_is_refused_with_the_file_to_take_instead(tmp_path):
    page = EXAMPLES / "Interpolate Frames of a Clip.json"
    with pytest.raises(WorkflowError, match=r"page format.*run interpolate_clip\.api\.json"):
        read(page)
    alone = tmp_path / "mine.json"
    alone.write_text(page.read_text())
    with pytest.raises(WorkflowError, match=r"Export \(API\)"):
        read(alone)
    for extra in ({}, {"api": 3}, {"api": ".."}, {"api": "a" * 999}, {"api": "\0"}, [], None):
        alone.write_text(json.dumps({"nodes": [], "extra": extra}))
        with pytest.raises(WorkflowError, match=r"Export \(API\)"):
            read(alone)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "{}", '{"a": 1}', '{"a": {"class_type": []}}', '{"a": {"inputs": []}}'],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "odd.json"
    path.write_text(content)
    with pytest.raises(WorkflowError, match=r"odd\.json"):
        read(path)


def test_a_request_to_the_server_is_taken_too(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"prompt": GRAPH, "client_id": "x"}))
    assert read(path) == GRAPH
