"""The workflows on the real page, in a browser: dropped as files, run by the button."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from rife_video.nodes import NODE_DISPLAY_NAME_MAPPINGS
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.conftest import ROOT

RUNNABLE = {"interpolate_clip": 11, "interpolate_video": 11, "compare_interpolation": 11}
"""Workflows that need nothing but this pack, and the number of frames each makes of 6."""

WINDOW = {"width": 1600, "height": 800}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
DIALOGS = "[...document.querySelectorAll('.p-dialog, .p-toast-message')].map(e => e.innerText)"
SHOWN_TEXTS = """app.graph.nodes.flatMap(node => node.widgets ?? [])
    .map(widget => widget.value).filter(value => typeof value === "string")"""
DROP = """([text, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([text], name, {type: "application/json"}));
    const canvas = document.querySelector("#graph-canvas");
    canvas.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
}"""


@pytest.fixture(scope="module")
def page(server):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser_path:
        pytest.skip("needs chromium (or CHROMIUM, the path of one)")
    server.request("/settings", {"Comfy.TutorialCompleted": True})
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=QUIET)
        page = browser.new_page(viewport=WINDOW)
        page.goto(f"http://{server.url}", wait_until="domcontentloaded")
        page.wait_for_function("window.app?.graph && window.app.extensionManager")
        page.wait_for_selector("#graph-canvas")
        page.wait_for_timeout(3000)  # the page loads its start graph after it shows
        yield page
        browser.close()


@pytest.fixture
def drop(page):
    def drop(name):
        file = ROOT / f"workflows/{name}.json"
        page.evaluate("app.graph.clear()")
        page.evaluate(DROP, [file.read_text(), file.name])
        page.wait_for_function("app.graph.nodes.some(node => node.type === 'LoadVideo')")
        page.wait_for_timeout(1000)
        return page

    return drop


@pytest.mark.parametrize("name", [*RUNNABLE, "judge_interpolation", "judge_video_vae"])
def test_loads_without_a_warning_and_exports_its_api_file(drop, name):
    page = drop(name)
    assert page.evaluate(DIALOGS) == []
    exported = page.evaluate("async () => (await app.graphToPrompt()).output")
    expected = json.loads((ROOT / f"workflows/api/{name}.api.json").read_text())
    assert exported.keys() == expected.keys()
    for node_id, node in expected.items():
        found = exported[node_id]
        assert found["class_type"] == node["class_type"]
        assert found["_meta"] == node["_meta"]
        # The page adds what only it shows, such as a preview.
        assert {name: found["inputs"].get(name) for name in node["inputs"]} == node["inputs"]


@pytest.mark.parametrize(("name", "frames"), RUNNABLE.items())
def test_runs_by_its_button(drop, server, tmp_path, name, frames):
    page = drop(name)
    page.evaluate(
        "app.graph.nodes.find(node => node.type === 'LoadRIFE').widgets[0].value"
        " = 'small.safetensors'"
    )
    before = set(server.base.glob("output/video/*"))
    page.get_by_role("button", name="Run", exact=True).click()
    deadline = time.monotonic() + 120
    while not (made := set(server.base.glob("output/video/*")) - before):
        assert time.monotonic() < deadline, page.evaluate(DIALOGS)
        page.wait_for_timeout(500)
    (path,) = made
    page.wait_for_selector(f"video[src*='{path.name}']", state="attached")
    assert len(list(VideoReader(path))) == frames
    assert page.evaluate(DIALOGS) == []
    page.wait_for_timeout(500)
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    shots.mkdir(exist_ok=True)
    page.screenshot(path=shots / f"{name}.png")
    shown = page.evaluate(SHOWN_TEXTS)
    assert any(f"became {frames} at 24 fps" in text for text in shown), shown
    sent = page.evaluate("async () => JSON.stringify(await app.graphToPrompt())")
    assert "became" not in sent, "a report is not saved with the workflow"


def test_previews_while_it_runs(drop, server):
    """Pictures of made frames come over the page's own websocket."""
    page = drop("interpolate_clip")
    page.evaluate(
        """() => {
            const find = type => app.graph.nodes.find(node => node.type === type);
            const set = (node, name, value) => {
                node.widgets.find(widget => widget.name === name).value = value;
            };
            set(find("LoadRIFE"), "model_name", "small.safetensors");
            set(find("InterpolateFrames"), "multiplier", 16);
            window.previews = [];
            app.api.addEventListener("b_preview", event => window.previews.push(event.detail.size));
        }"""
    )
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function("window.previews.length > 0", timeout=60_000)
    page.wait_for_function("app.ui.lastQueueSize === 0", timeout=60_000)


@pytest.mark.parametrize("word", ["rife", "interpolate", "slow motion", "fps", "smooth"])
def test_is_found_by_searching(server, page, word):
    """Releases that do not serve search words find nodes by their names."""
    _, info = server.request("/object_info/InterpolateFrames")
    words = info["InterpolateFrames"].get("search_aliases")
    if not words and word not in ("rife", "interpolate"):
        pytest.skip("this release of ComfyUI does not serve search words")
    box = page.get_by_placeholder("Search Nodes")
    if not box.count():
        page.get_by_text("Nodes", exact=True).first.click()
    box.first.fill(word)
    page.wait_for_timeout(1000)
    names = NODE_DISPLAY_NAME_MAPPINGS.values()
    assert any(page.get_by_text(name, exact=True).count() for name in names)
