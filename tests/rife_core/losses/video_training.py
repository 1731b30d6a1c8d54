"""Trains a tiny video autoencoder with both turns of its loss; as a script, one process of several.

    python video_training.py RANK PROCESSES RENDEZVOUS_FILE

prints a JSON line of what came out.
"""

import json
import sys

import torch
import torch.distributed as dist
from rife_video.rife_core.losses.pretrained import vgg_features
from rife_video.rife_core.losses.video_autoencoder import VideoAutoencoderLoss
from torch import nn
from torch.nn.parallel import DistributedDataParallel

SIZE, FRAMES, DISC_START = 16, 4, 4
JUDGE = {"dim": 2, "image_size": SIZE, "max_dim": 16, "linear_attn_heads": 2}


class TinyAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1)
        self.decoder = nn.ConvTranspose3d(8, 8, (1, 2, 2), stride=(1, 2, 2))
        self.conv_out = nn.Conv3d(8, 3, 3, padding=1)

    def forward(self, video):
        latent = torch.tanh(self.encoder(video))
        made = self.conv_out(torch.nn.functional.silu(self.decoder(latent)))
        return made, latent.square().mean()


def random_lpips(seed=0):
    """Weights that LPIPS can run on: the loss's parts are tested here, not its taste."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = (64, 128, 256, 512, 512)
        linear = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(widths)}
        return {"vgg_weights": vgg_features(16).state_dict(), "lpips_weights": linear}


def clips(batch, generator):
    """Smooth random video in [-1, 1]."""
    coarse = torch.randn(batch, 3, 2, 4, 4, generator=generator)
    fine = nn.functional.interpolate(coarse, size=(FRAMES, SIZE, SIZE), mode="trilinear")
    return fine.clamp(-1, 1)


def train(steps, rank=None):
    """Trains for `steps` of both turns. Returns the logs, and the weights before and after."""
    torch.manual_seed(0)
    autoencoder = TinyAutoencoder()
    loss = VideoAutoencoderLoss(
        disc_start=DISC_START,
        perceptual_weight=0.1,
        adversarial_loss_weight=0.1,
        grad_penalty_loss_weight=1.0,
        quantizer_aux_loss_weight=0.01,
        discr_kwargs=JUDGE,
        discr_3d_kwargs={
            "target": "sgm.modules.autoencoding.losses.video_loss.Discriminator3D",
            "params": JUDGE | {"frame_num": FRAMES},
        },
        **random_lpips(),
    )
    last_layer = autoencoder.conv_out.weight
    judged, model = loss, autoencoder
    if rank is not None:
        model = DistributedDataParallel(autoencoder)
        judged = DistributedDataParallel(loss)
        torch.manual_seed(rank)
    optimizers = (
        torch.optim.Adam(autoencoder.parameters(), lr=5e-3),
        torch.optim.Adam(loss.get_trainable_params(), lr=5e-4),
    )
    before = snapshot(autoencoder, loss)
    generator = torch.Generator().manual_seed(rank or 0)
    video = clips(2, generator)
    logs = []
    for step in range(steps):
        made, aux = model(video)
        total, log = loss(video, made, 0, step, aux, last_layer)
        optimizers[0].zero_grad()
        total.backward()
        optimizers[0].step()
        total, disc_log = judged(video, made.detach(), 1, step)
        optimizers[1].zero_grad()
        total.backward()
        optimizers[1].step()
        logs.append({name: value.item() for name, value in (log | disc_log).items()})
    return logs, before, snapshot(autoencoder, loss)


def snapshot(autoencoder, loss):
    """All trained weights as two vectors: the autoencoder's and the discriminators'."""
    trained = (list(autoencoder.parameters()), loss.get_trainable_params())
    return [nn.utils.parameters_to_vector(weights).detach().clone() for weights in trained]


def main(rank, processes, rendezvous):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=processes
    )
    logs, before, after = train(DISC_START + 4, rank)
    moved = [(b - a).abs().max().item() for b, a in zip(before, after, strict=True)]
    sums = [vector.double().sum().item() for vector in after]
    print(json.dumps({"logs": logs, "moved": moved, "sums": sums}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
