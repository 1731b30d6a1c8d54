"""The workflows on the real page, in a browser: dropped as files, run by the button."""

import json
import os
import shutil
from pathlib import Path

import pytest
from rife_video.nodes import NODE_DISPLAY_NAME_MAPPINGS
from rife_video.nodes.host import SAMPLE
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.conftest import ROOT

RUNNABLE = {"interpolate_clip": 11, "interpolate_video": 11, "compare_interpolation": 11}
"""Workflows that need nothing but this pack, and the number of frames each makes of 6."""

PATIENCE = 600_000  # milliseconds, only to end at all
WINDOW = {"width": 1600, "height": 800}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
DIALOGS = "[...document.querySelectorAll('.p-dialog, .p-toast-message')].map(e => e.innerText)"
SHOWN_TEXTS = """app.graph.nodes.flatMap(node => node.widgets ?? [])
    .map(widget => widget.value).filter(value => typeof value === "string")"""
RUN = """async () => {
    const ended = new Promise(resolve => {
        for (const kind of ["execution_success", "execution_error", "execution_interrupted"])
            app.api.addEventListener(kind, () => resolve(kind), {once: true});
    });
    await app.queuePrompt(0);
    return await ended;
}"""
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
        page.wait_for_function("app.graph.nodes.length > 0 || app.vueAppReady")
        page.wait_for_load_state("networkidle")  # the start graph comes after the page
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


@pytest.fixture
def drop(page):
    def drop(name):
        file = ROOT / f"workflows/{name}.json"
        page.keyboard.press("Escape")  # the template browser, on a first visit
        page.evaluate("app.graph.clear()")
        page.evaluate(DROP, [file.read_text(), file.name])
        count = len(json.loads(file.read_text())["nodes"])
        page.wait_for_function(f"app.graph.nodes.length === {count}")
        page.wait_for_function("app.graph.nodes.every(node => node.comfyClass)")
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
        wanted = node["inputs"]
        if node["class_type"] == "LoadVideo":
            wanted = {"file": SAMPLE.name}  # what the page opens with
        assert {name: found["inputs"].get(name) for name in wanted} == wanted


@pytest.mark.parametrize(("name", "frames"), RUNNABLE.items())
def test_runs_by_its_button(drop, server, tmp_path, name, frames):
    page = drop(name)
    page.evaluate(
        "app.graph.nodes.find(node => node.type === 'LoadRIFE').widgets[0].value"
        " = 'small.safetensors'"
    )
    before = set(server.base.glob("output/video/*"))
    page.evaluate(
        "app.graph.nodes.find(node => node.type === 'LoadVideo').widgets[0].value = 'clip.mp4'"
    )
    page.evaluate(RUN)
    (path,) = set(server.base.glob("output/video/*")) - before
    page.wait_for_selector(f"video[src*='{path.name}']", state="attached")
    assert len(list(VideoReader(path))) == frames
    assert page.evaluate(DIALOGS) == []
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
    page.evaluate(
        "app.graph.nodes.find(node => node.type === 'LoadVideo').widgets[0].value = 'clip.mp4'"
    )
    page.evaluate(RUN)
    assert page.evaluate("window.previews.length") > 0


WORDS = (
    *("rife", "fps", "60 fps", "slow motion", "smooth", "vfi", "interpolate", "tween"),
    "frame rate",
)


@pytest.mark.parametrize("word", WORDS)
def test_is_found_by_searching(page, word):
    """A double click on the canvas and the word: a main node is among the first three."""
    page.keyboard.press("Escape")
    page.evaluate("app.graph.clear()")
    page.mouse.dblclick(WINDOW["width"] // 2, WINDOW["height"] // 2)
    page.keyboard.type(word)
    main = [NODE_DISPLAY_NAME_MAPPINGS[n] for n in ("InterpolateFrames", "InterpolateVideo")]
    page.wait_for_function(
        """main => [...document.querySelectorAll("[role=option], [data-testid*=result]")]
            .map(entry => entry.innerText).filter(text => text.trim()).slice(0, 3)
            .some(text => main.some(name => text.includes(name)))""",
        arg=main,
    )
    page.keyboard.press("Escape")


def test_only_templates_are_offered(server):
    _, templates = server.request("/api/workflow_templates")
    assert set(templates["rife_video"]) == {path.stem for path in ROOT.glob("workflows/*.json")}


def test_blueprints_are_offered(server):
    status, blueprints = server.request("/api/global_subgraphs")
    if status != 200:
        pytest.skip("this release of ComfyUI has no blueprints")
    names = {entry["name"] for entry in blueprints.values() if "rife_video" in str(entry)}
    assert names == {"Smooth video", "Slow motion"}
