"""Cases: every combination, and weights for them."""

import pytest
import torch
from rife_video.rife_core.benchmark.cases import cases, drawn, frames_of, network_of
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import OWN, get_spec

pytestmark = pytest.mark.usefixtures("seeded")


def test_cases_are_every_combination():
    table = cases(["rife", "4.6"], ["480p", "64x48"], [2, 4])
    assert len(table) == 8
    assert str(table[0]) == "rife 480p x2"
    assert {(case.height, case.width) for case in table} == {(480, 720), (48, 64)}


@pytest.mark.parametrize("size", ["8k", "0x9", "12", "x", "-1x5"])
def test_a_wrong_size(size):
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        cases(["4.6"], [size], [2])


def test_random_weights_move_things_and_come_again(clip_file):
    first, second = (drawn(RIFE(get_spec("4.22.lite"))).eval() for _ in range(2))
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    case = cases(["4.22.lite"], ["192x128"], [2])[0]
    img0, img1 = frames_of(case, 2).permute(0, 3, 1, 2)[:, None]
    with torch.no_grad():
        flow = first.estimate(first.prepare(img0), first.prepare(img1)).flow.abs()
    assert 0.3 < flow.mean() < 20
    clip = frames_of(case, 4, clip_file)
    assert clip.shape == (4, 128, 192, 3)
    assert 0 <= clip.min() < clip.max() <= 1
    with pytest.raises(ValueError, match="6 frames, but 9"):
        frames_of(case, 9, clip_file)


def test_weights_of_another_row_are_refused():
    assert network_of("default").spec.version == OWN
    with pytest.raises(ValueError, match=rf"holds the network '{OWN}', not '4\.26'"):
        network_of("4.26", "default")
