"""How a network that knows the midpoint only reaches other timesteps."""

from __future__ import annotations

from fractions import Fraction

HALVINGS = 6
"""Networks that know the midpoint only reach other timesteps to 1/2**HALVINGS."""


def nearest_halving(
    timestep: float | Fraction,
) -> tuple[Fraction, list[tuple[Fraction, Fraction, Fraction]]]:
    """How a network that knows the midpoint only reaches `timestep`.

    Returns:
        The multiple of 1/64 that is nearest, and the midpoints on the way to it:
        (low, middle, high), where low and high are known before middle is made.

    Example:
        >>> target, halvings = nearest_halving(0.75)
        >>> [str(middle) for _, middle, _ in halvings]
        ['1/2', '3/4']
    """
    steps = 2**HALVINGS
    target = Fraction(round(timestep * steps), steps)
    low, high = Fraction(0), Fraction(1)
    halvings: list[tuple[Fraction, Fraction, Fraction]] = []
    while target not in (low, high):
        middle = (low + high) / 2
        halvings.append((low, middle, high))
        low, high = (low, middle) if target <= middle else (middle, high)
    return target, halvings
