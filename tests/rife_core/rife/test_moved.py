"""Module paths of release 0.1 work, and warn once."""

import importlib
import sys
from typing import TypeVar

import pytest
import rife_video.rife_core as core
from rife_video.rife_core.rife import _moved


@pytest.mark.filterwarnings("default::DeprecationWarning")
@pytest.mark.parametrize("old", _moved.MOVED)
def test_an_old_module_path_warns_once_and_works(old):
    script = f"""
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import rife_video.rife_core.{old} as module
    import rife_video.rife_core.{old}
told = [str(w.message) for w in caught if "{old} has moved" in str(w.message)]
assert len(told) == 1, told
"""
    namespace = {}
    forgotten = {
        name: sys.modules.pop(name)
        for name in list(sys.modules)
        if name.removeprefix("rife_video.rife_core.") in _moved.MOVED
    }
    public = dict(vars(core))
    try:
        exec(script, namespace)
    finally:
        sys.modules.update(forgotten)
        vars(core).update(public)
    for home in _moved.MOVED[old]:
        there = importlib.import_module(f"rife_video.rife_core.{home}")
        for name, value in vars(there).items():
            private = name.startswith("_") or isinstance(value, TypeVar)
            if not private and getattr(value, "__module__", None) == there.__name__:
                assert getattr(namespace["module"], name) is value


def test_a_name_that_never_was_is_no_alias():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("rife_video.rife_core.gone")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_name_is_found_in_its_old_module():
    from rife_video.rife_core import maker
    from rife_video.rife_core.ifnet import Made
    from rife_video.rife_core.inference.rife import Synthesis

    assert Made is Synthesis
    assert maker.Maker.__name__ == "FrameScheduler"
    with pytest.raises(AttributeError, match="has no attribute 'gone'"):
        maker.gone  # noqa: B018
