"""Discriminators: networks that tell real video from generated video, by frame or by clip."""

from .models import Discriminator, Discriminator3D, Discriminator3DWithfirstframe

__all__ = ["Discriminator", "Discriminator3D", "Discriminator3DWithfirstframe"]
