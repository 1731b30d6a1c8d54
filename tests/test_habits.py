"""What the project promises about itself: documents, versions and releases that agree."""

import ast
import doctest
import importlib.util
import re
import shutil
import subprocess
import textwrap
import types
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from support import pyproject

ROOT = Path(__file__).parent.parent


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def project():
    return pyproject()["project"]


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_loss_of_contributing_runs_and_gives_what_it_says():
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", text("CONTRIBUTING.md"), re.S | re.M)
    source = textwrap.dedent(next(block for block in blocks if "def charbonnier" in block))
    name = "rife_video.rife_core.losses.charbonnier"
    module = types.ModuleType(name)
    module.__dict__.update(torch=torch, __package__=name.rpartition(".")[0])
    exec(compile(source, name, "exec"), module.__dict__)
    results = doctest.testmod(module)
    assert results.attempted == 2
    assert results.failed == 0


def test_one_ruff_everywhere():
    pinned = re.search(r"^ruff==(.*)$", text("constraints.txt"), re.M)[1]
    hooks = re.findall(r"ruff==([\d.]+)", text(".pre-commit-config.yaml"))
    assert hooks == [pinned, pinned]


def test_the_first_line_of_a_file_says_what_it_is_for():
    folders = ("rife_core", "nodes", "workflows", "weights", "tests")
    files = [
        *ROOT.glob("*.py"),
        *(path for each in folders for path in (ROOT / each).rglob("*.py")),
    ]
    for path in files:
        with path.open(encoding="utf-8") as file:
            assert re.match(r'r?"""[\w`].{11}', file.readline()), path


def test_every_dependency_has_a_lower_bound():
    for group in (project()["dependencies"], *project()["optional-dependencies"].values()):
        for requirement in map(Requirement, group):
            operators = {each.operator for each in requirement.specifier}
            assert requirement.extras or operators & {">=", "=="}, requirement


def test_every_promised_python_is_tested():
    promised = re.findall(r"Python :: (3\.\d+)", text("pyproject.toml"))
    matrix = re.search(r"python: \[(.*)\]", text(".github/workflows/test.yml"))[1]
    assert promised == re.findall(r"[\d.]+", matrix)
    assert project()["requires-python"] == f">={promised[0]}"


def test_commands_of_contributing_exist():
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    named = set(re.findall(r"`make ([a-z]+)", text("CONTRIBUTING.md") + text("README.md")))
    assert named <= targets
    for path, test in re.findall(r"pytest (tests/\S+\.py)(?:::(\w+))?", text("CONTRIBUTING.md")):
        assert f"def {test or 'test_'}" in text(path)


def test_each_module_of_the_library_has_a_page_in_the_documentation():
    """But for commands and benchmarks: `make docs` names packages, and modules below some."""
    core = ROOT / "rife_core"
    packages = {path.parent.relative_to(core).as_posix() for path in core.rglob("__init__.py")}
    listing = {name for name in packages if "__all__" in text(f"rife_core/{name}/__init__.py")}
    makefile = text("Makefile").replace("\\\n\t", "")
    assert set(re.search(r"^LISTING := (.*)$", makefile, re.M)[1].split()) == listing - {"."}
    documented = re.search(r"^DOCUMENTED := (.*)$", makefile, re.M)[1]
    rest = {name for name in packages - listing if "/" not in name} - {"cli", "benchmark"}
    assert set(re.findall(r"rife_core/(\w+)(?= )", documented)) == rest


release_notes = load(".ci/release.py").release_notes


@pytest.fixture
def tree(tmp_path):
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_a_release_gets_its_part_of_the_changelog(tree):
    version = project()["version"]
    (tree / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [Unreleased]\n\n- later\n\n## [{version}] - 2026-01-02\n\n"
        "### Added\n\n- this\n\n## [0.0.1]\n\n- before\n"
    )
    assert release_notes(f"v{version}", tree) == "### Added\n\n- this\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("pyproject.toml", 'version = "', 'version = "9', "pyproject.toml has 9"),
        ("CITATION.cff", "\nversion: ", "\nversion: 9", "CITATION.cff has 9"),
        ("CITATION.cff", "\nversion: ", "\nrelease: ", "CITATION.cff has no version"),
        ("CHANGELOG.md", "## [0", "## [9", "CHANGELOG.md has nothing under"),
    ],
)
def test_a_release_that_does_not_agree_is_refused(tree, file, old, new, message):
    (tree / file).write_text((tree / file).read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=re.escape(message)):
        release_notes(f"v{project()['version']}", tree)


def test_a_release_finds_what_its_jobs_hand_over():
    """An artifact that is not fetched by its name lies in a folder of that name."""
    workflow = text(".github/workflows/release.yml")
    kept = re.findall(r"upload-artifact@v\d+\n\s+with:\n\s+name: (\w+)\n\s+path: (\S+)", workflow)
    assert dict(kept) == {"dist": "dist", "notes": "notes.md"}
    last = workflow.partition("github-release:")[2]
    assert re.search(r"download-artifact@v\d+\n\s+- ", last)
    assert "dist/* " in last
    assert last.strip().endswith("--notes-file notes/notes.md")


# What a document tells its reader to make.
YET_TO_BE = {"charbonnier", "4.27", "NAME", "mine"}
PATHS = r"(?<![\w/.-])((?:docs|tests|weights|workflows|nodes|rife_core|\.github)/[\w./-]+\w)"


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/headless.md", "weights/README.md"],
)
def test_files_that_documents_name_are_there(document):
    named = {p for p in re.findall(PATHS, text(document)) if not any(y in p for y in YET_TO_BE)}
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


LONGEST = {"networks/ifnet.py": 300}
"""Files of `rife_core` that have to stay below this many lines, where it is not 450."""


def test_files_of_the_core_can_be_read_in_one_go():
    core = ROOT / "rife_core"
    lengths = {
        path.relative_to(core).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in core.rglob("*.py")
    }
    assert not [name for name, lines in lengths.items() if lines >= LONGEST.get(name, 450)]


MAKERS = re.compile(
    r"\btorch\.(arange|as_tensor|asarray|empty|eye|full|hann_window|linspace|logspace|normal|ones|rand|"
    r"randint|randn|randperm|scalar_tensor|tensor|tril_indices|triu_indices|vander|zeros)\b"
)
"""Functions of torch whose tensors go to the default device."""
ASKS = "torch.empty(0)"
"""How `undisturbed` asks which one that is."""


def deviceless(path):
    """Calls in a file that make a tensor on whatever device, outside a layer's own state."""
    source, state = path.read_text(encoding="utf-8"), set()
    if not MAKERS.search(source):
        return
    for node in ast.walk(ast.parse(source)):  # parents come first
        match node:
            case ast.Call(func=ast.Attribute(attr="Parameter" | "register_buffer")):
                state.update(ast.walk(node))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=name)):
                has_device = any(keyword.arg == "device" for keyword in node.keywords)
                if MAKERS.match(f"torch.{name}") and not has_device and node not in state:
                    yield ast.unparse(node)


def test_tensors_name_their_device():
    """A caller may have set a default device; only a layer's own state follows it."""
    for folder in ("rife_core", "nodes", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not set(deviceless(path)) - {ASKS}, path


WRITERS = {"write_text", "write_bytes", "copyfile", "save_file", "save_tensors"}
PASSING = ("rife_core/benchmark/", "rife_core/checkpoints/wheels.py")
"""Where all that is written lies in a folder that is removed."""


def written_in_place(path):
    """Calls in a file that write to a name which others may read, before all of it is there."""
    source = path.read_text(encoding="utf-8")
    if not any(name in source for name in WRITERS):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in WRITERS:
                if not re.search(r"\b(part|whole_file)\b", ast.unparse(node)):
                    yield ast.unparse(node)


def test_files_are_written_beside_their_names():
    """A full disk, or Ctrl-C, leaves what was there: see `whole_file`."""
    for folder in ("rife_core", "nodes", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.relative_to(ROOT).as_posix().startswith(PASSING):
                assert not [*written_in_place(path)], path


ELSEWHERE = {
    "rife_core/benchmark/script.py": "rife_core/benchmark/test_end_to_end.py",  # a program it times
    "rife_core/cli/join.py": "rife_core/cli/test_jobs.py",  # three commands on one job
    "rife_core/cli/status.py": "rife_core/cli/test_jobs.py",
    "rife_core/cli/work.py": "rife_core/cli/test_jobs.py",
    "rife_core/cli/network.py": "rife_core/cli/test_interpolate.py",  # its arguments
    "rife_core/cli/timing.py": "rife_core/cli/test_interpolate.py",
    "rife_core/engine/tasks.py": "rife_core/engine/test_scheduler.py",  # what it moves along
    "nodes/host/pieces.py": "nodes/host/test_comfyui_video.py",  # how it reads long videos
    "workflows/convert": "workflows/test_convert.py",
    "rife_core/files/destination.py": "rife_core/files/test_convert.py",  # stages of a conversion
    "rife_core/files/resume.py": "rife_core/files/test_convert.py",
    "rife_core/files/segments.py": "rife_core/files/test_convert.py",
    "rife_core/files/jobs": "rife_core/files/jobs/test_drive.py",  # faults at each step
}
"""Modules whose tests are those of what they are a part of, and where these are."""


def mirrors(source):
    """Where the tests of a source file may be, below tests."""
    name = source.parent.name if source.stem == "__init__" else source.stem.lstrip("_")
    yield source.parent / f"test_{name}.py"
    for part in (source, source.parent):
        if found := ELSEWHERE.get(part.as_posix()):
            yield Path(found)


def test_tests_mirror_the_source_file_by_file():
    """Each module that does something; tables and lists of names do nothing."""
    for folder in ("rife_core", "nodes", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            if re.search(r"^ *(async )?def ", path.read_text(encoding="utf-8"), re.M):
                source = path.relative_to(ROOT)
                assert any((ROOT / "tests" / test).is_file() for test in mirrors(source)), source


BINARIES = {"docs", "tests/golden", "tests/rife_core/files/cases", "weights", "workflows"}
"""Where pictures, clips and weights belong."""


def test_pictures_clips_and_weights_are_where_they_belong():
    """None that a test or a try has left is committed by mistake."""
    command = ["git", "ls-files", "-z"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    if tracked == [""]:
        pytest.skip("not a checkout")
    for path in map(Path, filter(None, tracked)):
        if (ROOT / path).is_file() and not {p.as_posix() for p in path.parents} & BINARIES:
            assert b"\0" not in (ROOT / path).read_bytes(), path


def test_what_is_tested_elsewhere_is_there():
    for source, test in ELSEWHERE.items():
        assert (ROOT / source).exists(), source
        assert (ROOT / "tests" / test).is_file(), test
