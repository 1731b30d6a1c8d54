"""The example workflow on the real page, in a browser: dropped as a file, run by its button."""

import json
import os
import shutil
import time

import pytest
from rife_video.rife_core.video import VideoReader

from .conftest import ROOT

WINDOW = {"width": 1600, "height": 800}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
DIALOGS = "[...document.querySelectorAll('.p-dialog, .p-toast-message')].map(e => e.innerText)"
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
def dropped(page):
    file = ROOT / "workflows/interpolate_clip.json"
    page.evaluate(DROP, [file.read_text(), file.name])
    page.wait_for_function("app.graph.nodes.some(node => node.type === 'InterpolateFrames')")
    page.wait_for_timeout(1000)
    return page


def test_loads_without_a_warning(dropped):
    assert dropped.evaluate(DIALOGS) == []


def test_the_page_exports_the_api_file(dropped):
    exported = dropped.evaluate("async () => (await app.graphToPrompt()).output")
    expected = json.loads((ROOT / "workflows/interpolate_clip.api.json").read_text())
    assert exported.keys() == expected.keys()
    for node_id, node in expected.items():
        found = exported[node_id]
        assert found["class_type"] == node["class_type"]
        assert found["_meta"] == node["_meta"]
        # The page adds what only it shows, such as a preview.
        assert {name: found["inputs"].get(name) for name in node["inputs"]} == node["inputs"]


def test_runs_by_its_button(dropped, server, tmp_path):
    dropped.evaluate(
        "app.graph.nodes.find(node => node.type === 'LoadRIFE').widgets[0].value"
        " = 'small.safetensors'"
    )
    before = set(server.base.glob("output/video/*"))
    dropped.get_by_role("button", name="Run", exact=True).click()
    deadline = time.monotonic() + 120
    while not (made := set(server.base.glob("output/video/*")) - before):
        assert time.monotonic() < deadline, dropped.evaluate(DIALOGS)
        dropped.wait_for_timeout(500)
    dropped.wait_for_selector("video[src*='interpolated_']", state="attached")
    assert len(list(VideoReader(made.pop()))) == 11
    assert dropped.evaluate(DIALOGS) == []
    dropped.screenshot(path=os.environ.get("SCREENSHOT") or tmp_path / "page.png")
