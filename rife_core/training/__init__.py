"""Training: synthetic scenes, real clips, the trainer, evaluation, fine-tuning on a clip."""
