"""Load RIFE: what it lists, loads and checks."""

import pytest
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.nodes.host import Folders, use_folders
from rife_video.rife_core.checkpoints.rife import save_rife


@pytest.fixture
def weights(tmp_path, network):
    save_rife(network, tmp_path / "small.safetensors")
    with use_folders(Folders(models=(tmp_path,))):
        yield tmp_path / "small.safetensors"


class TestLoadRIFE:
    node = NODE_CLASS_MAPPINGS["LoadRIFE"]

    def test_loads_what_it_lists(self, weights, network):
        names, _ = self.node.INPUT_TYPES()["required"]["model_name"]
        assert weights.name in names
        assert self.node.VALIDATE_INPUTS(weights.name) is True
        (model,) = self.node().load(weights.name)
        assert model.network.spec == network.spec

    def test_says_what_to_do_when_weights_vanished(self, weights):
        weights.unlink()
        message = self.node.VALIDATE_INPUTS(weights.name)
        assert "'small.safetensors'" in message
        assert str(weights.parent) in message

    def test_changes_with_the_file(self, weights, network):
        before = self.node.IS_CHANGED(weights.name)
        assert self.node.IS_CHANGED(weights.name, precision=None) != before
        assert self.node.IS_CHANGED(weights.name, backend="eager") != before
        assert self.node.IS_CHANGED(weights.name) == before
        save_rife(network, weights)
        assert self.node.IS_CHANGED(weights.name) != before
