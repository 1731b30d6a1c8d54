"""Mutation testing of one file: breaks it in one place at a time and asks its tests to notice.

    make mutate FILE=rife_core/timeline/__init__.py
    python tests/mutate.py rife_core/engine/loop.py --sample 40 --tests tests/rife_core/engine

Cosmic Ray finds the places and makes the mutants; of the operators that fit one place, one is
drawn. The examples of the file's docstrings and its mirror test file (or what --tests names),
but for tests that fetch published networks, run on each mutant, in a copy of the tree, in a fork
of a process that has PyTorch loaded. A mutant that no test notices has survived: it is printed,
and either a test is missing or the mutant is equivalent to the code.
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parent.parent
PRELOADED = ("torch", "kornia", "av", "einops", "safetensors.torch", "hypothesis", "pytest")
_IN_ANNOTATIONS = "ReplaceBinaryOperator_BitOr"  # `int | None` is read by no test


@dataclass(frozen=True)
class Mutant:
    """One change of the file: where, by which operator, and the file's text with it."""

    line: int
    operator: str
    text: str


def mutants(text: str, seed: int = 0) -> list[Mutant]:
    """One mutant for each place and kind of operator, in the order of the file."""
    places: defaultdict[tuple[tuple[int, int], str], list[tuple[str, int]]] = defaultdict(list)
    tree = get_ast(text)
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or _IN_ANNOTATIONS in name:
            continue
        found = [where for node in ast_nodes(tree) for where in operator().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(found):
            places[start, name.split("/")[-1].split("_")[0]].append((name, occurrence))
    draw, drawn = random.Random(seed), list[Mutant]()
    for ((line, _), _), choices in sorted(places.items()):
        name, occurrence = draw.choice(choices)
        try:
            changed = mutate_code(text, get_operator(name)(), occurrence)
        except AttributeError:  # it cannot replace an exception that is named with its module
            continue
        if changed is not None and changed != text:
            drawn.append(Mutant(line, name.split("/")[-1], changed))
    return drawn


def mirror(file: Path) -> Path:
    """The test file that mirrors a source file: rife_core/a/b.py -> tests/rife_core/a/test_b.py."""
    name = file.parent.name if file.stem == "__init__" else file.stem
    return Path("tests") / file.parent / f"test_{name}.py"


@contextlib.contextmanager
def copy_of_tree() -> Iterator[Path]:
    """A copy of what git knows, named `rife_video` so that it can be imported."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "rife_video"
        for name in filter(lambda name: (ROOT / name).is_file(), names.splitlines()):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
        yield tree


def passes(file: Path, tests: list[str], limit: float | None = None) -> bool:
    """Runs a file's examples and tests in a fork; a run beyond `limit` seconds has failed."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with open(os.devnull, "w") as null:
            os.dup2(null.fileno(), 1)
            os.dup2(null.fileno(), 2)
        try:
            module = import_module(".".join(("rife_video", *file.with_suffix("").parts)))
            names = {"torch": import_module("torch"), **vars(module)}
            failed = doctest.testmod(module, globs=names).failed
        except Exception:
            failed = 1
        if failed:
            os._exit(1)
        pytest = import_module("pytest")
        options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=no shrinking"]
        chosen = ["-m", "not slow and not published"]
        os._exit(int(pytest.main([*options, *chosen, *tests])))
    end = None if limit is None else time.monotonic() + limit
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        if end is not None and time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="source file, below the repository's root")
    parser.add_argument("--tests", nargs="+", help="what to run (default: the mirror test file)")
    parser.add_argument("--sample", type=int, help="try this many mutants (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    options = parser.parse_args()
    file = options.file.resolve().relative_to(ROOT)
    tests = options.tests or [str(mirror(file))]
    if missing := [name for name in tests if not (ROOT / name.split("::")[0]).exists()]:
        parser.error(f"there is no {missing[0]}; say with --tests what to run")
    text = (ROOT / file).read_text(encoding="utf-8")
    chosen = mutants(text, options.seed)
    if options.sample is not None and options.sample < len(chosen):
        kept = sorted(random.Random(options.seed).sample(range(len(chosen)), options.sample))
        chosen = [chosen[index] for index in kept]

    # The first run keeps the bytecode of all files; of what changes none may be kept.
    sys.dont_write_bytecode = False
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with copy_of_tree() as tree:
        os.chdir(tree)
        sys.path.insert(0, str(tree.parent))
        os.environ["PYTHONPATH"] = str(tree.parent)
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        for name in PRELOADED:
            import_module(name)
        started = time.monotonic()
        if not passes(file, tests):
            parser.error(f"{' '.join(tests)} fail without any mutant; mend that first")
        limit = 20 + 5 * (time.monotonic() - started)
        sys.dont_write_bytecode = True
        Path(cache_from_source(str(tree / file))).unlink(missing_ok=True)
        survived = 0
        for mutant in chosen:
            (tree / file).write_text(mutant.text, encoding="utf-8")
            if passes(file, tests, limit):
                survived += 1
                changed = mutant.text.splitlines()[mutant.line - 1].strip()
                print(f"{file}:{mutant.line}: survived: {mutant.operator}: {changed}", flush=True)
    killed = len(chosen) - survived
    share = f"{100 * killed / len(chosen):.0f} %" if chosen else "none to try"
    print(f"{file}: {killed} of {len(chosen)} mutants killed ({share})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
