"""The state of a training on disk."""

import torch
from rife_video.rife_core.training.state import Moments, State, read_state, write_state


def test_the_state_travels_in_shards(tmp_path):
    weights = {"a": torch.arange(1000.0)}
    state = State(3, 0, 2, 1, weights, weights, Moments({0: {"step": torch.tensor(2.0)}}, []))
    write_state(state, tmp_path, shard_bytes=1500)
    shards = sorted(tmp_path.iterdir())
    assert len(shards) > 2
    assert max(shard.stat().st_size for shard in shards) <= 1500
    read = read_state(tmp_path, torch.device("cpu"))
    assert read[:4] == state[:4]
    assert torch.equal(read.network["a"], weights["a"])
    assert read.optimizer == state.optimizer


def test_a_state_in_shards_replaces_a_whole_one(tmp_path):
    """Else a training that goes on in shards would be resumed where it was in one file."""
    weights = {"a": torch.arange(1000.0)}
    state = State(3, 0, 2, 1, weights, weights, Moments({}, []))
    write_state(state, tmp_path)
    write_state(state._replace(step=4), tmp_path, shard_bytes=1500)
    assert read_state(tmp_path, torch.device("cpu")).step == 4
