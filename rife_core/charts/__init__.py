"""Pictures of numbers and tensors, without a plotting library."""
