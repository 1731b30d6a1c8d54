"""The plain network: who learns from which estimate, and that the fast one is its equal."""

import ast
import inspect
from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks import ifnet
from rife_video.rife_core.networks.frame_order import mirror_flow
from rife_video.rife_core.networks.ifnet import FlowNetwork, distillation_loss
from rife_video.rife_core.networks.specs import get_spec, with_channels
from support import fill
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def narrow(version):
    spec = get_spec(version)
    return fill(RIFE(replace(spec, channels=tuple(8 for _ in spec.channels)))).train()


def gradients(network, estimate, parameters):
    loss = estimate.flow.square().mean() + estimate.mask.square().mean()
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("version", ["rife_m", "hdv3", "4.6", "4.10"])
def test_with_detach_an_estimate_teaches_its_own_block_alone(version, detach):
    network = narrow(version)
    estimates = network.flow_pyramid(*torch.rand(2, 1, 3, 32, 32), detach=detach)
    first_layers = [next(block.parameters()) for block in network.blocks]
    for index, estimate in enumerate(estimates):
        found = gradients(network, estimate, first_layers)
        reached = [i for i, grad in enumerate(found) if grad is not None and bool(grad.any())]
        assert reached == ([index] if detach else list(range(index + 1)))


@pytest.mark.parametrize("detach", [True, False])
def test_with_detach_the_frame_of_the_teacher_teaches_the_teacher_alone(detach):
    network = narrow("rife")
    img0, img1, gt = torch.rand(3, 1, 3, 32, 32)
    output = network.forward_train(img0, img1, gt, detach=detach)
    blocks = (*network.blocks, network.block_tea)
    loss = (output.merged_teacher - gt).square().mean()
    first_layers = [next(block.parameters()) for block in blocks]
    found = torch.autograd.grad(loss, first_layers, allow_unused=True)
    reached = [grad is not None and bool(grad.any()) for grad in found]
    assert reached == [not detach] * len(network.blocks) + [True]


def test_the_first_blocks_of_the_bundled_row_see_both_orders():
    """Until then all is the mirror image of what is seen from the pair's other end."""
    network = narrow("deep")
    img0, img1 = torch.rand(2, 1, 3, 128, 128)
    there = network.flow_pyramid(img0, img1, 0.3)
    back = network.flow_pyramid(img1, img0, 0.7)
    for index, (one, other) in enumerate(zip(there, back, strict=True)):
        apart = (one.flow - mirror_flow(other.flow)).abs().max() / one.flow.abs().max()
        assert (apart < 1e-4) == (index < network.spec.both_orders), (index, float(apart))


def test_the_coarse_blocks_of_the_bundled_row_read_means():
    """A pattern that has none within the cells of a block is not seen by it, whatever moved."""
    frames = torch.rand(2, 1, 3, 128, 128)
    stripes = 0.2 * torch.tensor([1.0, -1.0, -1.0, 1.0]).repeat(32)
    for version, blind in (("deep", 4), ("4.6", 0)):
        network = narrow(version)
        seen, other = (network.flow_pyramid(*(frames + s)) for s in (0 * stripes, stripes))
        unseen = [
            torch.allclose(a.flow, b.flow, atol=1e-4) for a, b in zip(seen, other, strict=True)
        ]
        assert unseen == [index < blind for index in range(len(seen))]


def test_carried_features_are_taught_by_the_block_that_reads_them():
    """With `detach` too: nothing else could teach them."""
    network = narrow("4.25")
    estimates = network.flow_pyramid(*torch.rand(2, 1, 3, 64, 64), detach=True)
    last_layer = network.blocks[0].lastconv[0].weight
    (grad,) = gradients(network, estimates[1], [last_layer])
    flow_and_mask = 4 * 5  # each channel has four places before the shuffle
    assert not grad[:, :flow_and_mask].any()
    assert grad[:, flow_and_mask : 4 * 13].any()


def build(version, kind=FlowNetwork):
    spec = get_spec(version)
    network = kind(with_channels(spec, [8] * len(spec.channels)))
    return fill(network, [(name, 0.2) for name in ("lastconv", "conv1.2.", "conv2.2.")])


def images():
    noise = torch.rand(1, 3, 8, 8)
    img0 = torch.nn.functional.interpolate(noise, (64, 64), mode="bicubic").clamp(0, 1)
    return img0, img0.roll((1, 2), (-2, -1))


def blocks_with_gradients(network):
    return [
        any(p.grad is not None and p.grad.any() for p in b.parameters()) for b in network.blocks
    ]


@pytest.mark.parametrize("scales", [None, (8, 4, 2)])
def test_the_documented_call_is_a_training_pass(scales):
    network = build("rife").train()
    (img0, img1), gt = images(), torch.rand(1, 3, 64, 64)
    output = network.forward_train(img0, img1, gt, scales=scales)
    flows, mask, merged, *teaching = network(torch.cat((img0, img1, gt), 1), scales)
    assert_close(flows, [estimate.flow for estimate in output.estimates])
    assert_close(mask, output.estimates[-1].mask.sigmoid())
    assert_close(merged, output.merged)
    assert_close(teaching, list(output[2:]))
    assert output.loss_distill.item() > 0
    x = torch.cat((img0, img1), 1)
    assert_close(network(x, scales, returnflow=True), flows[-1])
    assert network(x, scales)[3:] == (None, None, 0)
    assert_close(network(x, scales)[2], merged)


@pytest.mark.parametrize("version", ["3.1", "deep"])
def test_only_the_last_estimate_is_refined(version):
    """There the sides are sampled anew, or Unet gives the mask."""
    network, (img0, img1) = build(version).train(), (image.repeat(1, 1, 2, 2) for image in images())
    plain = network.flow_pyramid(img0, img1)
    output = network.forward_train(img0, img1)
    for one, other in zip(plain[:-1], output.estimates[:-1], strict=True):
        assert_close(vars(one), vars(other))
    last, refined = plain[-1], output.estimates[-1]
    assert_close(refined.flow, last.flow)
    assert not torch.equal(refined.blend(), last.blend())


def test_distillation_is_the_distance_where_the_teacher_is_closer():
    gt, flow = torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 2, 2, requires_grad=True)
    teacher = torch.full((1, 4, 2, 2), 3.0, requires_grad=True)
    merged = torch.tensor([[0.0101, 0.0099], [1, 0]]).expand(1, 3, 2, 2)
    loss = distillation_loss(flow, teacher, merged, gt, gt)
    assert_close(loss, torch.tensor(3 * 2 / 4), check_dtype=False)  # by more than 0.01: two of four
    loss.backward()
    assert teacher.grad is None
    assert (flow.grad[0, 0] != 0).tolist() == [[True, False], [True, False]]
    equal = distillation_loss(flow, flow.detach(), merged, gt, gt)
    assert equal.item() == pytest.approx(0)
    (grad,) = torch.autograd.grad(equal, flow)
    assert grad.isfinite().all()


def test_far_motion_starts_again_twice_as_coarse():
    """4.0, where both flows move by more than a row allows; a training network never does."""
    network = build("4.0").eval()
    spec, pair = network.spec, images()

    def flows(above, scales=None):
        network.spec = replace(spec, rerun_above=above)
        return [estimate.flow for estimate in network.flow_pyramid(*pair, scales=scales)]

    before, after = flows(None)[:2]
    moved = (after - before).abs().unflatten(1, (2, 2)).amax((0, 2, 3, 4))
    less, more = sorted(moved.tolist())
    coarse = flows(None, [2 * scale for scale in spec.scales])
    assert_close(flows(less - 1e-4)[1:], coarse[1:])
    assert_close(flows(less + 1e-4), flows(None))
    assert more > less + 1e-3, "one flow alone is not enough"
    network.train()
    assert_close(flows(-1.0), flows(None))


def test_detached_the_numbers_are_the_same():
    network = build("4.6").train()
    pair = images()
    together = network.flow_pyramid(*pair)
    for a, b in zip(together, network.flow_pyramid(*pair, detach=True), strict=True):
        assert torch.equal(a.flow, b.flow)


def test_the_teacher_takes_no_gradient_from_distillation():
    network = build("rife").train()
    img0, img1 = images()
    output = network.forward_train(img0, img1, torch.rand_like(img0))
    output.loss_distill.backward()
    assert all(p.grad is None or not p.grad.any() for p in network.block_tea.parameters())
    assert any(blocks_with_gradients(network))


@pytest.mark.parametrize("version", ["rife", "rife_m", "hdv3", "4.0", "4.7", "4.26"])
def test_the_fast_network_makes_the_same_frame(version):
    plain = build(version).eval()
    fast = build(version, RIFE).eval()
    fast.load_state_dict(plain.state_dict())
    img0, img1 = images()
    with torch.no_grad():
        output = plain.forward_train(img0, img1)
    assert_close(fast.inference(img0, img1), output.merged[-1].clamp(0, 1), atol=2e-5, rtol=0)


def test_it_is_plain():
    """No fast form, no device and no number format is named in it."""
    names = {
        node.id
        for node in ast.walk(ast.parse(inspect.getsource(ifnet)))
        if isinstance(node, ast.Name)
    }
    assert not names & {"uses_cpu_bf16_ops", "FastForm", "plain_ops", "sparse_pyramid"}
    assert len(inspect.getsource(ifnet).splitlines()) < 300
