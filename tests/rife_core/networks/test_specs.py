"""The table of releases."""

from rife_video.rife_core.networks.specs import SPECS, releases_of
from support import manifest


def test_the_table_lists_all_releases():
    assert set(manifest("v4")) | {"rife", "rife_m", "3.5", "hdv3"} == set(SPECS)
    assert len(SPECS) == 4 + 36
    assert releases_of(SPECS["4.25"]) == ("4.25", "4.26")
