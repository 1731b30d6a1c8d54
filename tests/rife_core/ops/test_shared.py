"""Settings of the process: made once, undone once, whatever order their users come and go in."""

import os
from contextlib import contextmanager
from threading import Barrier, Thread

import pytest
from rife_video.rife_core.ops.shared import environment, shared


@pytest.fixture
def setting():
    """A setting, and what has been done to it."""
    done = []

    @shared
    @contextmanager
    def loud():
        done.append("on")
        yield
        done.append("off")

    return loud, done


def test_overlapping_users(setting):
    loud, done = setting
    first, second = loud(), loud()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert done == ["on"]
    second.__exit__(None, None, None)
    assert done == ["on", "off"]
    with loud():
        assert done == ["on", "off", "on"]


def test_a_user_that_fails_leaves_too(setting):
    loud, done = setting
    with pytest.raises(ZeroDivisionError), loud(), loud():
        raise ZeroDivisionError
    assert done == ["on", "off"]


def test_a_generator_that_is_closed_early_leaves_too(setting):
    loud, done = setting

    def frames():
        with loud():
            yield 1
            yield 2

    opened = frames()
    next(opened)
    assert done == ["on"]
    opened.close()
    assert done == ["on", "off"]


def test_users_in_threads(setting):
    loud, done = setting
    inside = Barrier(4)

    def use():
        with loud():
            inside.wait()

    threads = [Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == ["on", "off"]


def test_a_setting_that_cannot_be_made_has_no_user():
    failing = [True]

    @shared
    @contextmanager
    def brittle():
        if failing:
            raise OSError
        yield

    with pytest.raises(OSError), brittle():  # noqa: PT011 - no words to match
        pass
    failing.clear()
    with brittle():
        pass


def test_the_environment_is_given_back(monkeypatch):
    monkeypatch.setenv("SOMEBODYS", "own")
    monkeypatch.delenv("NOBODYS", raising=False)

    def fails():
        with environment("SOMEBODYS", "1"), environment("NOBODYS", ""):
            assert (os.environ["SOMEBODYS"], os.environ["NOBODYS"]) == ("1", "")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert os.environ["SOMEBODYS"] == "own"
    assert "NOBODYS" not in os.environ
