"""Tables and pictures of runs."""

import pytest
from rife_video.rife_core.benchmark.tables import (
    HAND_WRITTEN,
    keeping_hand_written,
    markdown,
    picture,
    summary,
)

pytestmark = pytest.mark.usefixtures("seeded")


def entry(contender, kind, ms, **more):
    known = {"row": "4.26", "size": "480p", "multiplier": 2, "precision": "fp32", "psnr": 61.5}
    return {
        **known,
        "contender": contender,
        "kind": kind,
        "ms": ms,
        "vs_reference": 400 / ms,
    } | more


def test_tables_and_picture():
    results = [
        entry("reference", "reference", 400.0, vs_peer=0.75),
        entry("eager bf16", "own", 150.0, vs_peer=2.0),
        entry("openvino bf16", "own", 100.0, vs_peer=3.0),
        entry("vs-rife", "peer", 300.0, vs_peer=1.0),
    ]
    failed = {key: results[3][key] for key in ("row", "size", "multiplier", "kind", "precision")}
    failed |= {"contender": "comfyui", "error": "ImportError: no <module>"}
    run = {
        "command": "rife-video bench",
        "machine": {"processor": "abacus"},
        "rates": {"gflops": {"fp32": 123.0}, "gbytes": 20.0},
        "results": [*results, failed],
        "end_to_end": [],
        "start_up": {"python": 0.1, "total": 2.0},
    }
    line = "| 4.26 | 480p | 2 | vs-rife, 300 ms | eager bf16, 150 ms | 2.00 | 61.5 "
    line += "| openvino bf16, 100 ms | 3.00 | 61.5 |"
    assert summary(run["results"]).splitlines()[2] == line
    text = markdown([run])
    assert line in text
    assert "| 4.26 | comfyui | ImportError: no <module> | - |" in text
    assert "fp32 123 GFLOP/s, copy 20 GB/s" in text
    drawing = picture(run["results"])
    assert drawing.count("<rect") == 1 + len(results)
    assert "3.00 x, 100 ms" in drawing
    assert "comfyui" not in drawing


def test_float32_stands_beside_float32():
    """A case counts where this project ran it in float32, and with those figures only."""
    other = {"size": "720p"}
    results = [
        entry("reference", "reference", 400.0),
        entry("eager bf16", "own", 100.0, vs_peer=3.0, precision="bf16"),
        entry("eager fp32", "own", 200.0, vs_peer=1.5),
        entry("vs-rife", "peer", 300.0, vs_peer=1.0),
        entry("vs-rife", "peer", 900.0, vs_peer=1.0, **other),
        entry("eager bf16", "own", 300.0, vs_peer=3.0, precision="bf16", **other),
    ]
    run = {"command": "", "machine": {}, "rates": {"gflops": {}}, "results": results}
    text = markdown([run | {"end_to_end": [], "start_up": {}}])
    part = text.partition("## Same precision")[2].partition("## What")[0]
    assert "eager fp32, 200 ms | 1.50" in part
    assert "bf16" not in part
    assert "720p" not in part


def test_what_was_written_by_hand_stays():
    old = f"# Old\n\n{HAND_WRITTEN}\n\n## Rejected\n"
    assert keeping_hand_written("# New\n", old) == f"# New\n\n{HAND_WRITTEN}\n\n## Rejected\n"
    assert keeping_hand_written("# New\n", "# Old\n") == "# New\n"
