"""Timesteps for networks that know the midpoint only."""

from fractions import Fraction

from rife_video.rife_core.inference.halving import nearest_halving


def test_nearest_halving_reaches_every_64th():
    for numerator in range(65):
        target, halvings = nearest_halving(Fraction(numerator, 64) + Fraction(1, 300))
        known = {Fraction(0), Fraction(1)}
        for low, middle, high in halvings:
            assert {low, high} <= known
            assert middle == (low + high) / 2
            known.add(middle)
        assert target == Fraction(numerator, 64) in known
        assert len(halvings) <= 6
