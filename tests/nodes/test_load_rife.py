"""Load RIFE: what it lists, loads and checks."""

import pytest
from rife_video.nodes import NODE_CLASS_MAPPINGS
from rife_video.nodes.host import Folders, use_folders
from rife_video.rife_core.checkpoints import wheels
from rife_video.rife_core.checkpoints.download import FetchError
from rife_video.rife_core.checkpoints.fetch import OFFLINE
from rife_video.rife_core.checkpoints.published import RELEASES
from rife_video.rife_core.checkpoints.rife import save_rife
from support import ASSET, LITE


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

    def test_samples_as_it_was_told(self, weights):
        (model,) = self.node().load(weights.name, sampling="bicubic")
        assert model.network.spec.sampling == "bicubic"
        assert str(model).endswith(", bicubic)")
        (again,) = self.node().load(weights.name)
        assert again.network.spec.sampling == "bilinear"
        with pytest.raises(ValueError, match="sampling is 'sinc'; it must be one of auto,"):
            self.node().load(weights.name, sampling="sinc")

    def test_says_what_to_do_when_weights_vanished(self, weights):
        weights.unlink()
        message = self.node.VALIDATE_INPUTS(weights.name)
        assert "'small.safetensors'" in message
        assert str(weights.parent) in message

    def test_changes_with_the_file(self, weights, network):
        before = self.node.IS_CHANGED(weights.name)
        assert self.node.IS_CHANGED(weights.name, precision=None) != before
        assert self.node.IS_CHANGED(weights.name, backend="eager") != before
        assert self.node.IS_CHANGED(weights.name, sampling="bicubic") != before
        assert self.node.IS_CHANGED(weights.name) == before
        save_rife(network, weights)
        assert self.node.IS_CHANGED(weights.name) != before


class TestPublishedReleases:
    node = NODE_CLASS_MAPPINGS["LoadRIFE"]

    def test_all_are_listed_and_the_chosen_one_is_fetched_once(self, server, files, models):
        server.answers[f"/{ASSET}"] = {"body": files[LITE]}
        names, _ = self.node.INPUT_TYPES()["required"]["model_name"]
        assert set(RELEASES) <= set(names)
        assert self.node.VALIDATE_INPUTS(LITE) is True
        assert server.asked == []
        (model,) = self.node().load(LITE)
        assert model.network.spec.version == LITE
        self.node().load(LITE)
        assert server.asked == [f"/{ASSET}"]
        assert self.node.INPUT_TYPES()["required"]["model_name"][0] == names

    def test_one_that_cannot_be_had_says_where_its_file_goes(self, server, models, monkeypatch):
        with pytest.raises(FetchError, match=f"Put {ASSET} of HolyWu/vs-rife into {models}"):
            self.node().load(LITE)
        monkeypatch.setenv(OFFLINE, "1")
        message = self.node.VALIDATE_INPUTS(LITE)
        assert "RIFE_VIDEO_OFFLINE is set" in message
        assert str(models) in message
        assert list(models.iterdir()) == []

    def test_pip_is_not_asked(self, server, models, monkeypatch):
        monkeypatch.setattr(wheels.subprocess, "Popen", None)
        with pytest.raises(FetchError, match=r"model38/flownet\.pkl of HolyWu/vs-rife"):
            self.node().load("3.8")
