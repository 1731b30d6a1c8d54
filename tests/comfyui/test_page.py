"""The workflows on the real page, in a browser: dropped as files, run by the button."""

import json
import os
import shutil
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path

import pytest
from rife_video.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from rife_video.nodes.host import SAMPLE
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.conftest import ROOT

TEMPLATES = sorted(ROOT.glob("workflows/*.json"))
PAGES = {json.loads(path.read_text())["extra"]["api"].split(".")[0]: path for path in TEMPLATES}
"""The page's file of each workflow, which is named by its title."""

RUNNABLE = {"interpolate_clip": 11, "interpolate_video": 11, "compare_interpolation": 11}
"""Workflows that need nothing but this pack, and the number of frames each makes of 6."""

PATIENCE = 600_000  # milliseconds, only to end at all
WINDOW = {"width": 1600, "height": 800}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
DIALOGS = "[...document.querySelectorAll('.p-dialog, .p-toast-message')].map(e => e.innerText)"
IS_SHOWN = """text => app.graph.nodes.flatMap(node => node.widgets ?? [])
    .some(widget => typeof widget.value === "string" && widget.value.includes(text))"""
IS_HIDDEN = """() => app.graph.nodes.some(({widgets}) => {
    const names = (widgets ?? []).map(widget => widget.name);
    const preview = names.findIndex(name => name.startsWith("$$"));
    return preview >= 0 && preview < names.indexOf("last_run");
})"""
RUN = """async () => {
    const ends = {};  // of other prompts too
    let look = () => {};
    for (const kind of ["execution_success", "execution_error", "execution_interrupted"])
        app.api.addEventListener(kind, event => {
            ends[event.detail.prompt_id] = kind;
            look();
        });
    let mine;
    const send = app.api.queuePrompt;
    app.api.queuePrompt = async function (...given) {
        const answer = await send.apply(this, given);
        mine = answer.prompt_id;
        return answer;
    };
    await app.queuePrompt(0);
    app.api.queuePrompt = send;
    return await new Promise(resolve => {
        look = () => ends[mine] && resolve(ends[mine]);
        look();
    });
}"""
LOADED = "selector => document.querySelector(selector)?.naturalWidth > 0"
ARE_THERE = """() => app.graph.nodes.every(
    node => node.comfyClass || !(node.type in LiteGraph.registered_node_types))"""
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
        browser = driver.chromium.launch(executable_path=browser_path, args=QUIET, timeout=PATIENCE)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://{server.url}", wait_until="domcontentloaded")
        page.wait_for_function("window.app?.graph && window.app.extensionManager")
        page.wait_for_selector("#graph-canvas")
        page.wait_for_function("app.graph.nodes.length > 0 || app.vueAppReady")
        page.wait_for_load_state("networkidle")  # the start graph comes after the page
        yield page
        browser.close()


@pytest.fixture
def drop(page):
    def drop(name):
        file = PAGES[name]
        page.keyboard.press("Escape")  # the template browser, on a first visit
        page.evaluate("app.graph.clear()")
        page.evaluate(DROP, [file.read_text(), file.name])
        count = len(json.loads(file.read_text())["nodes"])
        page.wait_for_function(f"app.graph.nodes.length === {count}")
        page.wait_for_function(ARE_THERE)
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
        assert "advanced_inputs" not in found["inputs"], "the switch is for the page alone"
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
    assert page.evaluate(RUN) == "execution_success"
    (path,) = set(server.base.glob("output/video/*")) - before
    page.wait_for_selector(f"video[src*='{path.name}']", state="attached")
    assert len(list(VideoReader(path))) == frames
    assert page.evaluate(DIALOGS) == []
    page.wait_for_function(IS_SHOWN, arg=f"became {frames} at 24 fps")
    assert not page.evaluate(IS_HIDDEN), "a live preview is drawn over what comes after it"
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    shots.mkdir(exist_ok=True)
    page.screenshot(path=shots / f"{name}.png")
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


NEW_NODE = """id => {
    app.graph.clear();
    const node = window.node = LiteGraph.createNode(id);
    node.id = window.ids = (window.ids ?? 1000) + 1; // what a page kept of one is not another's
    app.graph.add(node);
    window.drawn = () => { node._setConcreteSlots(); node.arrange(); return [...node.size]; };
    return drawn();
}"""
SWITCH = """() => {
    node.widgets.find(widget => widget.name === "advanced_inputs").callback();
    return drawn();
}"""


@pytest.mark.parametrize("node", NODE_CLASS_MAPPINGS)
def test_rare_inputs_are_folded_away_without_a_gap(page, node):
    declared = NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
    inputs = [options for group in declared.values() for _, options in group.values()]
    rare = sum("advanced" in options for options in inputs)
    width, height = page.evaluate(NEW_NODE, node)
    assert width < 350
    assert rare, "every node has some"
    first, *_, last = (
        page.evaluate(
            "node.widgets.filter(widget => node.isWidgetVisible(widget)).map(widget => widget.y)"
        )
        * 2
    )
    shown = page.evaluate("node.widgets.filter(widget => node.isWidgetVisible(widget)).length")
    assert last - first == (shown - 1) * 24
    assert height < last + 40
    unfolded = page.evaluate(SWITCH)
    assert unfolded[1] >= height + rare * 24
    assert page.evaluate("node.widgets.every(widget => node.isWidgetVisible(widget))")
    assert page.evaluate(SWITCH) == [width, height]
    values = page.evaluate("node.serialize().widgets_values.length")
    assert values == page.evaluate("node.widgets.length") - 1, "the switch is not saved"


SWITCH_NODES = """async modern => {
    await app.extensionManager.setting.set("Comfy.VueNodes.Enabled", modern);
}"""
DRAWS_NODES_SINCE = (1, 45)
"""The first page tried here on which Nodes 2.0, which draws nodes as elements, is complete."""


@pytest.fixture(params=["classic", "Nodes 2.0"])
def drawn(page, request):
    """The page with nodes drawn on the canvas, and as elements."""
    modern = request.param != "classic"
    version = page.evaluate("window.__COMFYUI_FRONTEND_VERSION__").split(".")
    if modern and tuple(map(int, version[:2])) < DRAWS_NODES_SINCE:
        pytest.skip("this page has no Nodes 2.0")
    page.evaluate(SWITCH_NODES, modern)
    page.wait_for_function(f"!!LiteGraph.vueNodesMode === {str(modern).lower()}")
    yield page
    page.evaluate(SWITCH_NODES, False)


UNREAD = count(20)
"""Values of an input that is not read, for runs that are not answered from the cache."""

REPORT_IS_WHOLE = """text => [...document.querySelectorAll("textarea")].some(box =>
    box.value.includes(text) && box.clientHeight > 40 && box.scrollHeight <= box.clientHeight)"""


@pytest.mark.parametrize("name", ["interpolate_clip", "interpolate_video"])
def test_the_report_is_read_in_both_looks_and_stays(drawn, drop, tmp_path, name):
    page = drop(name)
    page.evaluate(
        """number => {
            const find = type => app.graph.nodes.find(node => node.type.startsWith(type));
            find("LoadRIFE").widgets[0].value = "small.safetensors";
            find("LoadVideo").widgets[0].value = "clip.mp4";
            find("Interpolate").widgets.find(widget => widget.name === "exposures").value = number;
        }""",
        next(UNREAD),
    )
    assert page.evaluate(RUN) == "execution_success"
    page.wait_for_function(REPORT_IS_WHOLE, arg="became 11 at 24 fps")
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    shots.mkdir(exist_ok=True)
    modern = page.evaluate("!!LiteGraph.vueNodesMode")
    page.screenshot(path=shots / f"{name} {'Nodes 2.0' if modern else 'classic'}.png")
    heights = page.evaluate("app.graph.nodes.map(node => node.size[1])")
    page.evaluate("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    page.wait_for_function("app.graph.nodes.length === 0")
    page.evaluate("app.extensionManager.command.execute('Workspace.PreviousOpenedWorkflow')")
    page.wait_for_function(REPORT_IS_WHOLE, arg="became 11 at 24 fps")
    again = page.evaluate("app.graph.nodes.map(node => node.size[1])")
    assert all(now <= before for now, before in zip(again, heights, strict=True))


WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN"}
ROWS = "count => document.querySelectorAll('[data-node-id] .lg-node-widget').length === count"


@pytest.mark.parametrize("drawn", ["Nodes 2.0"], indirect=True)
@pytest.mark.parametrize("node", NODE_CLASS_MAPPINGS)
def test_nodes_2_shows_what_is_common_and_unfolds_the_rest(drawn, tmp_path, node):
    declared = NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
    inputs = [entry for group in declared.values() for entry in group.values()]
    widgets = [o for kind, o in inputs if not isinstance(kind, str) or kind in WIDGETS]
    rare = sum("advanced" in options for options in widgets)
    drawn.evaluate(NEW_NODE, node)
    drawn.wait_for_function(ROWS, arg=len(widgets) - rare)
    # Not by the mouse: a tall node ends below the window.
    drawn.get_by_test_id("advanced-inputs-button").dispatch_event("click")
    drawn.wait_for_function(ROWS, arg=len(widgets))
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    shots.mkdir(exist_ok=True)
    drawn.screenshot(path=shots / f"{node} Nodes 2.0.png")
    assert drawn.evaluate(DIALOGS) == []


COVERED = """() => {
    const nodes = [...document.querySelectorAll("[data-node-id]")].map(element => {
        const {left, right, top, bottom} = element.getBoundingClientRect();
        return {name: element.innerText.split("\\n")[0], left, right, top, bottom};
    });
    return nodes.flatMap((a, index) => nodes.slice(index + 1)
        .filter(b => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        .map(b => [a.name, b.name]));
}"""


@pytest.mark.parametrize("drawn", ["Nodes 2.0"], indirect=True)
@pytest.mark.parametrize("name", PAGES)
def test_nodes_2_covers_no_node_of_a_template(drawn, drop, name):
    """Nodes are taller there, those that are not installed most of all."""
    page = drop(name)
    count = len(json.loads(PAGES[name].read_text())["nodes"])
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_function(f"document.querySelectorAll('[data-node-id]').length === {count}")
    page.wait_for_function(f"String(({COVERED})()) === ''")


WORDS = (
    *("rife", "fps", "60 fps", "slow motion", "smooth", "vfi", "interpolate", "tween"),
    "frame rate",
)
MAIN = [NODE_DISPLAY_NAME_MAPPINGS[node] for node in ("InterpolateFrames", "InterpolateVideo")]
FOUND = """[...document.querySelectorAll("[role=option], [data-testid*=result]")]
    .map(entry => entry.innerText.trim()).filter(text => text)"""
ARE_FOUND = f"""([names, unasked]) => {{
    const found = {FOUND};
    const isNew = String(found) !== String(unasked);
    return isNew && found.some(text => names.some(name => text.startsWith(name)));
}}"""
OTHERS = {"smooth": 1}
"""How many nodes called by a word, and used by many, may come before ours."""


@pytest.mark.parametrize("word", WORDS)
def test_is_found_by_searching(page, word):
    """The main nodes come first: both where the page knows aliases, one where it does not."""
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.tagName !== 'INPUT'")
    page.evaluate("app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.wait_for_function("document.activeElement.tagName === 'INPUT'")
    unasked = page.evaluate(FOUND)
    page.keyboard.insert_text(word)  # at once: typed letters would each bring a list of their own
    page.wait_for_function(ARE_FOUND, arg=[MAIN, unasked])
    found = page.evaluate(FOUND)
    found = [text for text in found if not text.startswith(("Smooth video", "Slow motion"))]
    ranks = [rank for rank, text in enumerate(found) if text.startswith(tuple(MAIN))]
    before = OTHERS.get(word, 0)
    assert ranks in ([before], [before, before + 1]), found[:5]
    page.keyboard.press("Escape")


def browse_templates(page):
    """Opens those of the pack; page 1.45 sometimes closes them again with what was open before."""
    late = pytest.importorskip("playwright.sync_api").TimeoutError
    pack = page.get_by_text("rife_video", exact=True).first
    for patience in (PATIENCE / 40, PATIENCE / 40, PATIENCE):
        page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
        with suppress(late) if patience < PATIENCE else nullcontext():
            pack.click(timeout=patience)
            return
        page.keyboard.press("Escape")


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_template_opens_as_it_is_chosen(page, server, tmp_path, name):
    """Under its title, with the sample clip that it names, and no word of anything missing."""
    title = PAGES[name].stem
    page.keyboard.press("Escape")
    page.evaluate("app.graph.clear()")
    browse_templates(page)
    card = page.get_by_test_id(f"template-workflow-{title}")
    card.scroll_into_view_if_needed()  # pictures are loaded when they are seen
    page.wait_for_function(LOADED, arg=f"[data-testid='template-workflow-{title}'] img")
    assert title in card.inner_text().splitlines()
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    shots.mkdir(exist_ok=True)
    page.screenshot(path=shots / "templates.png")
    card.click()
    count = len(json.loads(PAGES[name].read_text())["nodes"])
    page.wait_for_function(f"app.graph.nodes.length === {count}")
    page.wait_for_selector(f"[data-testid='template-workflow-{title}']", state="detached")
    (file,) = page.evaluate(
        "app.graph.nodes.filter(node => node.type === 'LoadVideo').map(n => n.widgets[0].value)"
    )
    assert (server.base / "input" / file).exists()
    assert page.evaluate("app.graph.nodes.every(node => !node.has_errors)")
    assert page.evaluate(DIALOGS) == []


def test_only_templates_are_offered(server):
    _, templates = server.request("/api/workflow_templates")
    assert set(templates["rife_video"]) == {path.stem for path in TEMPLATES}


def test_blueprints_are_offered(server):
    status, blueprints = server.request("/api/global_subgraphs")
    if status != 200:
        pytest.skip("this release of ComfyUI has no blueprints")
    names = {entry["name"] for entry in blueprints.values() if "rife_video" in str(entry)}
    assert names == {"Smooth video", "Slow motion"}
