"""Which contenders a run has."""

import warnings

import pytest
import torch
from rife_video.rife_core.benchmark.contenders import own
from rife_video.rife_core.inference import backends
from rife_video.rife_core.networks.specs import get_spec
from support import narrow

pytestmark = pytest.mark.usefixtures("seeded")
CPU = torch.device("cpu")


def test_a_backend_that_gives_way_is_no_contender(monkeypatch):
    network = narrow(get_spec("4.22.lite"))

    class Broken:
        def encode(self, image):
            warnings.warn("The backend 'broken' is not used: it failed.", RuntimeWarning, 2)

    def broken(network, name):
        network.backend = Broken()
        return name

    monkeypatch.setattr(backends, "set_backend", broken)
    with (
        own("broken", "fp32").open(network, 2, CPU) as run,
        pytest.raises(RuntimeWarning, match="is not used: it failed"),
    ):
        run(torch.rand(2, 32, 32, 3))
    monkeypatch.setattr(backends, "set_backend", lambda network, name: "eager")
    with (
        pytest.raises(ValueError, match="the backend other gave way to eager"),
        own("other", "fp32").open(network, 2, CPU),
    ):
        pass
