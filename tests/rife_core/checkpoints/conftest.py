"""Nobody else writes the files that are read here."""

import pytest
from rife_video.rife_core.checkpoints import tensor_files


@pytest.fixture(autouse=True, scope="package")
def settled():
    """Files that were written a moment ago are read at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "_SETTLED_SECONDS", 0.0)
        yield
