"""The fast path from two frames to the one between them."""
