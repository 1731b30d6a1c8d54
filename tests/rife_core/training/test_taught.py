"""Taught crops: the better teacher is followed, what is stored comes back, turned as a whole."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from rife_video.rife_core.inference.rife import RIFE, Synthesis
from rife_video.rife_core.networks.estimate import Estimate
from rife_video.rife_core.networks.specs import get_spec
from rife_video.rife_core.ops.warp import warp
from rife_video.rife_core.training import taught
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.synthetic import SceneGenerator
from rife_video.rife_core.training.taught import Clip, TaughtCrops, Teacher, teach, write_crops
from rife_video.rife_core.video import VideoWriter
from safetensors.torch import load_file, save_file
from support import GAINS, fill

SPEED = 4
LIKED = 1 / (1 + math.exp(-SPEED / 4))
"""Mask of the teacher that sees the true motion."""


class Fixed:
    """A teacher that sees the same motion everywhere, half of `dx` to each side, and prefers the
    first frame the more, the larger it is."""

    def __init__(self, dx):
        self.dx = dx

    def prepare(self, img, scale):
        return img

    def synthesize(self, frame0, frame1, timestep, scale):
        flow = frame0.new_zeros(len(frame0), 4, *frame0.shape[-2:])
        flow[:, 0], flow[:, 2] = -self.dx / 2, self.dx / 2
        liked = torch.full_like(flow[:, :1], self.dx / 8)
        estimate = Estimate.of(flow, liked, frame0, frame1)
        return Synthesis(estimate.blend(), estimate)

    def parameters(self):
        yield torch.zeros(1)


def moving_texture(count=9, height=340, width=360):
    """A texture that moves SPEED pixels to the right each frame."""
    generator = torch.Generator().manual_seed(5)
    grain = torch.rand(1, 3, height // 4, width // 4 + 20, generator=generator)
    wide = torch.nn.functional.interpolate(grain, scale_factor=4, mode="bicubic").clamp(0, 1)[0]
    return [
        wide[:, :, 80 - SPEED * i : 80 - SPEED * i + width].permute(1, 2, 0) for i in range(count)
    ]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    with VideoWriter(folder / "texture.mp4", Fraction(8), crf=4) as writer:
        for frame in moving_texture():
            writer.write(frame)
    return folder


@pytest.fixture(scope="module")
def crops(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taught, "PER_FILE", 4)
        patch.setattr(taught, "INTERVALS", (1 / 8, 1 / 8))  # neighbouring frames
        write_crops(folder, [clips], [Teacher(Fixed(0)), Teacher(Fixed(2 * SPEED))], 2, seed=3)
    return folder


def test_each_pixel_keeps_flow_and_mask_of_the_better_teacher():
    frames = torch.stack(moving_texture(3)).permute(0, 3, 1, 2)
    img0, gt, img1 = frames.split(1)
    teachers = [Teacher(Fixed(dx)) for dx in (0, 2 * SPEED, -6)]
    flow, mask, error = teach(teachers, img0, img1, gt)
    inside = flow[..., 20:-20, 20:-20]
    right = torch.tensor([-SPEED, 0.0, SPEED, 0.0]).reshape(1, 4, 1, 1).expand_as(inside)
    torch.testing.assert_close(inside, right)
    assert error[..., 20:-20, 20:-20].max() < 0.01
    assert mask[..., 20:-20, 20:-20].unique().tolist() == pytest.approx([LIKED])


def test_the_mask_is_that_of_the_refinement_where_blocks_have_none():
    spec = replace(get_spec("3.1"), channels=(8, 8, 8))
    network = fill(RIFE(spec, teacher=False), GAINS).eval()
    img0, gt, img1 = torch.stack(moving_texture(3)).permute(0, 3, 1, 2).split(1)
    mask = teach([Teacher(network)], img0, img1, gt).mask
    assert mask.std() > 0.001
    pair = network.prepare(img0), network.prepare(img1)
    right = network.synthesize(*pair).estimate.mask.sigmoid()
    right = right[..., : gt.shape[-2], : gt.shape[-1]]
    torch.testing.assert_close(mask, right, atol=1e-3, rtol=0)


def test_stored_flow_leads_to_the_true_frame(crops):
    """However a crop is flipped, turned and played backwards, its flow goes along."""
    batch = TaughtCrops(crops, seed=1).of_size(128).batch(0, 24)
    flow = batch.flow
    directions = {tuple(each[:2, 64, 64].round().int().tolist()) for each in flow}
    assert len(directions) == 4  # right, left, up and down
    for img, part in ((batch.img0, flow[:, :2]), (batch.img1, flow[:, 2:])):
        wrong = (warp(img, part) - batch.gt).abs()[..., 16:-16, 16:-16].mean()
        unmoved = (img - batch.gt).abs()[..., 16:-16, 16:-16].mean()
        assert wrong < 0.3 * unmoved
    # Played backwards, the other frame is the one to take.
    masks = batch.teacher_mask[..., 16:-16, 16:-16].mean((1, 2, 3))
    assert {round(mask, 2) for mask in masks.tolist()} == {round(LIKED, 2), round(1 - LIKED, 2)}
    assert batch.occluded is None
    assert batch.teacher_error.shape == (24, 1, 128, 128)


def test_a_batch_depends_on_seed_and_index_alone(crops):
    first = TaughtCrops(crops, seed=1).of_size(64)
    assert torch.equal(first.batch(5, 2).gt, TaughtCrops(crops, seed=1).of_size(64).batch(5, 2).gt)
    assert not torch.equal(first.batch(5, 2).gt, first.batch(6, 2).gt)
    assert len(first) == 8


def test_files_that_are_there_stay(crops, clips):
    before = {path: path.stat().st_mtime_ns for path in crops.iterdir()}
    write_crops(crops, [clips], [Teacher(Fixed(0))], 2, seed=3)
    assert {path: path.stat().st_mtime_ns for path in crops.iterdir()} == before


def test_pictures_cover_layers_of_scenes(crops):
    settings = SceneSettings(size=32, textures=2, texture_size=64, pictures=1.0, object_weight=2.0)
    pictures = TaughtCrops(crops, seed=1).pictures
    covered = SceneGenerator(settings, 1, pictures=pictures).batch(0, 2)
    painted = SceneGenerator(settings, 1).batch(0, 2)
    assert not torch.equal(covered.gt, painted.gt)
    assert torch.equal(covered.flow, painted.flow)  # only what the layers look like differs
    assert covered.weight.min() >= 1
    assert covered.weight.max() <= 3


def test_what_cannot_be_followed_is_refused(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "_HOPELESS", 0.0)
    monkeypatch.setattr(taught, "_GIVE_UP", 3)
    with pytest.raises(ValueError, match="add other clips"):
        write_crops(tmp_path, [clips], [Teacher(Fixed(0))], 1)
    assert not list(tmp_path.iterdir())


def test_mistakes_are_named(crops, tmp_path):
    with pytest.raises(ValueError, match="rife-video crops"):
        TaughtCrops(tmp_path, seed=0)
    with pytest.raises(ValueError, match="even sizes up to 320"):
        TaughtCrops(crops, seed=0).of_size(400)
    with pytest.raises(ValueError, match="No videos"):
        write_crops(tmp_path, [tmp_path], [Teacher(Fixed(0))], 1)


def test_crops_without_masks_are_refused(crops, tmp_path):
    (first, *_) = sorted(crops.glob("*.safetensors"))
    older = {name: tensor for name, tensor in load_file(first).items() if name != "mask"}
    save_file(older, tmp_path / first.name)
    with pytest.raises(ValueError, match="has no mask: an older version wrote it"):
        TaughtCrops(tmp_path, seed=1)


def grey_levels(count, height=8, width=8):
    """Frames whose number is their level."""
    return [torch.full((height, width, 3), level, dtype=torch.uint8) for level in range(count)]


def drawn(clip, times):
    """Windows of a clip: lists of levels."""
    generator = torch.Generator().manual_seed(2)
    windows = [taught._triplet(clip, generator) for _ in range(times)]
    return [(window.amax((1, 2, 3)) * 255).round().int().tolist() for window in windows]


def test_frames_of_a_triplet_are_a_16th_to_a_third_of_a_second_apart(monkeypatch):
    """Evenly, log-uniformly, and anywhere in a clip."""
    monkeypatch.setattr(taught, "SIDE", 8)
    monkeypatch.setattr(taught, "is_triplet_cut", lambda *_: False)
    monkeypatch.setattr(taught, "_STILL", 0)
    found = drawn(Clip(grey_levels(24), 32.0), 400)
    assert all(gt - img0 == img1 - gt for img0, gt, img1 in found)
    gaps = [gt - img0 for img0, gt, _ in found]
    assert set(gaps) == set(range(2, 11))
    assert sum(gap < 4.5 for gap in gaps) == pytest.approx(200, abs=40)
    assert min(img0 for img0, _, _ in found) == 0
    assert max(img1 for _, _, img1 in found) == 23
    assert {tuple(each) for each in drawn(Clip(grey_levels(3), 60.0), 9)} == {(0, 1, 2)}
    assert {tuple(each) for each in drawn(Clip(grey_levels(9), 1.0), 99)} == {
        (start, start + 1, start + 2) for start in range(7)
    }


def test_triplets_that_teach_nothing_are_left_out():
    generator = torch.Generator()
    frames = moving_texture(3)
    moving = [(frame * 255).byte() for frame in frames]
    cut = [*moving[:2], torch.zeros_like(moving[0])]
    for clip in (moving[:2], [moving[0]] * 3, cut):
        assert taught._triplet(Clip(clip, 8.0), generator) is None
    window = taught._triplet(Clip(moving, 8.0), generator)
    torch.testing.assert_close(window, torch.stack(frames).permute(0, 3, 1, 2), atol=4e-3, rtol=0)


@pytest.mark.parametrize(
    ("height", "width", "seen"), [(8, 16, 640), (8, 12, 480), (200, 250, 400), (400, 330, 330)]
)
def test_windows_are_as_high_as_a_crop_and_no_wider_than_two(monkeypatch, height, width, seen):
    monkeypatch.setattr(taught, "_STILL", 0)
    clip = Clip(grey_levels(3, height, width), 8.0)
    window = taught._triplet(clip, torch.Generator())
    assert window.shape == (3, 3, max(320, height), seen)
