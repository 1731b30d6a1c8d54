"""What a loss is told not to count does not reach its total."""

import torch
from rife_video.rife_core import VideoAutoencoderLoss


def test_a_term_of_weight_0_is_not_in_the_total():
    """NaN times 0 is NaN."""
    loss = VideoAutoencoderLoss(disc_start=0, perceptual_weight=0)
    video = torch.zeros(1, 3, 4, 16, 16)
    made = (video + 0.1).requires_grad_()
    total, log = loss(video, made, 0, 0, aux_losses=torch.tensor(float("nan")))
    total.backward()
    torch.testing.assert_close(total.detach(), torch.tensor(0.01))
    assert made.grad.isfinite().all()
    assert log["train/aux_losses"].isnan()  # but it is told
