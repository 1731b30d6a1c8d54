"""RIFE in plain PyTorch: networks, timeline, engine, video files. Knows nothing of node graphs."""
