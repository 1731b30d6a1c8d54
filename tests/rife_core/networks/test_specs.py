"""The table of releases."""

from rife_video.rife_core.networks.specs import OWN, SPECS, releases_of
from support import manifest


def test_the_table_lists_all_releases():
    older = {"rife", "rife_m", "2.3", "2.4", "3.1", "3.5", "hdv3"}
    assert set(manifest("v4")) | older | {OWN} == set(SPECS)
    assert len(SPECS) == 7 + 36 + 1
    assert releases_of(SPECS["4.25"]) == ("4.25", "4.26")
