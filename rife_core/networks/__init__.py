"""The RIFE networks as the paper describes them: plain and differentiable."""
