"""The fast road from two frames to the one between them."""
