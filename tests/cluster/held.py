"""Workers that hold the parts they make until a test lets them go."""

from cluster.watching import until
from rife_video.rife_core.files.jobs.film_maker import open_maker
from rife_video.rife_core.files.jobs.folder import Folder
from rife_video.rife_core.files.jobs.progress import Progress

_FILE = "let-go"
ALL = 1 << 30


def open_held(folder, device):
    """A maker whose parts are in the making, and stay so until `let_go`."""
    maker = open_maker(folder, device)
    whole = maker.make

    def make(number, progress=None):
        def hold(done):
            until(lambda: Progress.of(maker.job).parts < int(maker.job.folder.read(_FILE) or 0))

        return whole(number, hold)

    maker.make = make
    return maker


def let_go(output, parts=ALL):
    """Lets parts be finished until so many are, or one more for each other worker."""
    Folder(output / ".rife-job").write(_FILE, str(parts).encode())
