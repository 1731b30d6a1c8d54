"""Every example in a docstring of rife_core runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest
import rife_video.rife_core as core

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(core.__path__, core.__name__ + ".")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
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
