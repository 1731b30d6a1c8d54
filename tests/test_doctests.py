"""Every example in a docstring of the library runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest
import rife_video.rife_core as core
from rife_video import nodes, workflows

MODULES = sorted(
    module.name
    for package in (core, nodes, workflows)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name.startswith("rife_video.workflows.client"):
        pytest.importorskip("aiohttp")
    module = importlib.import_module(name)
    assert (
        doctest.testmod(
            module, globs={"torch": importlib.import_module("torch"), **vars(module)}
        ).failed
        == 0
    )


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert sum(len(finder.find(importlib.import_module(name))) for name in MODULES) > 15
