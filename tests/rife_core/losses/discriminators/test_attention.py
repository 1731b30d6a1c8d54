"""Linear attention against the naive product."""

import pytest
import torch
from rife_video.rife_core.losses.discriminators import attention
from rife_video.rife_core.losses.discriminators.attention import taylor_attention
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def naive_attention(q, k, v):
    product = q @ k.mT
    weights = 1 + product + product.square() / 2
    return weights @ v / weights.sum(-1, keepdim=True)


@pytest.mark.long
@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_attention_equals_the_naive_one(chunk):
    q, k, v = torch.randn(3, 2, 3, 64, 4, dtype=torch.float64)
    assert_close(taylor_attention(q, k, v, chunk), naive_attention(q, k, v))


def test_attention_is_near_softmax_for_small_products():
    q, k, v = torch.randn(3, 1, 2, 50, 4, dtype=torch.float64)
    exact = torch.nn.functional.scaled_dot_product_attention(0.03 * q, k, v, scale=1.0)
    assert_close(taylor_attention(0.03 * q, k, v), exact, atol=1e-3, rtol=0)


@pytest.mark.long
def test_attention_gradients_of_both_orders():
    q, k, v = (torch.randn(1, 2, 5, 2, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def attend(q, k, v):
        return taylor_attention(q, k, v, chunk=3)

    assert gradcheck(attend, (q, k, v))
    assert gradgradcheck(attend, (q, k, v))


@pytest.mark.long  # PyTorch imports its compiler to compute something twice
def test_attention_keeps_little_for_the_backward_pass():
    tokens, dim = 2000, 8
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    q, k, v = (torch.randn(1, 1, tokens, dim, requires_grad=True) for _ in range(3))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        taylor_attention(q, k, v, chunk=100)
    floats_per_token = sum(kept.values()) / 4 / tokens
    features = 1 + dim + dim**2
    assert floats_per_token < 5 * dim < features


@pytest.mark.parametrize("chunk", [50, 7])
def test_what_fits_or_has_no_gradient_is_not_computed_twice(monkeypatch, chunk):
    monkeypatch.setattr(attention, "checkpoint", None)
    q, k, v = torch.randn(3, 1, 2, 50, 4)
    with torch.set_grad_enabled(chunk == 50):
        assert_close(taylor_attention(q, k, v, chunk), naive_attention(q, k, v))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_attention_sums_in_full_precision(dtype):
    q, k, v = torch.randn(3, 1, 1, 5000, 8).to(dtype)
    some = slice(None, None, 10)
    expected = naive_attention(q[:, :, some].float(), k.float(), v.float())
    found = taylor_attention(q, k, v)
    assert found.dtype == dtype
    assert_close(found[:, :, some].float(), expected, atol=0.01, rtol=0.01)
