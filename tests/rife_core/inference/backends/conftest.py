"""A network to change."""

import copy

import pytest


@pytest.fixture
def own(network):
    """A network of the test's own, eager at first."""
    return copy.deepcopy(network)
