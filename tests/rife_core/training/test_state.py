"""The state of a training on disk."""

import torch
from rife_video.rife_core.training.state import read_state, write_state


def test_the_state_travels_in_shards(tmp_path):
    state = {"a": torch.arange(1000.0)}
    write_state(state, tmp_path, shard_bytes=1500)
    shards = sorted(tmp_path.iterdir())
    assert len(shards) > 2
    assert max(shard.stat().st_size for shard in shards) <= 1500
    assert torch.equal(read_state(tmp_path, torch.device("cpu"))["a"], state["a"])
