"""A benchmark's JSON as Markdown tables and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from ..charts import svg

Entry = Mapping[str, Any]
"""A result as it stands in the JSON; what is not known is left out."""

HAND_WRITTEN = "<!-- From here on by hand: `rife-video bench --table` keeps it. -->"
"""Stands in a file of tables before what is no table of a run."""

_CASE = ("row", "size", "multiplier")
_EAGER = "eager "

_COLUMNS: tuple[tuple[str, Callable[[Entry], str]], ...] = (
    ("row", lambda e: e["row"]),
    ("contender", lambda e: e["contender"]),
    ("ms per frame", lambda e: _figure(e, "ms", "{:.4g}") or e.get("error", "")),
    ("spread", lambda e: _figure(e, "spread", "{:.2f}")),
    ("x reference", lambda e: _figure(e, "vs_reference", "{:.2f}")),
    ("x fastest peer", lambda e: _figure(e, "vs_peer", "{:.2f}")),
    ("PSNR, dB", lambda e: _figure(e, "psnr", "{:.1f}") if e["kind"] != "reference" else ""),
    ("peak memory, MiB", lambda e: _figure(e, "peak_mib", "{:.0f}")),
    ("first run, s", lambda e: _figure(e, "first_s", "{:.2f}")),
    ("GFLOP", lambda e: _figure(e, "gflop", "{:.3g}")),
    ("GB", lambda e: _figure(e, "gbyte", "{:.3g}")),
    ("share of roofline", lambda e: _figure(e, "share", "{:.0%}")),
)

_LEGEND = """\
- ms per frame: time for one interpolated frame, median of the rounds; all contenders take a
  turn in each round. Copying source frames into the result is included.
- spread: the slowest round over the fastest. Far above 1, the machine was busy with other
  work, and the line says little. Shared processors also differ from run to run: compare
  figures within a run.
- x reference, x fastest peer: speed-up; median of the rounds' ratios.
- reference: plain eager float32, as the published code runs it
  (`rife_core/benchmark/reference.py`).
- PSNR: of the worst interpolated frame against the reference, on a crop whose sides all
  networks divide, because each contender pads in its own way.
- peak memory: beyond what the process held before its first run, output included.
- GFLOP, GB: per interpolated frame; convolutions and matrix products, and all tensors that
  the operations of this project's eager path read and write in that precision.
- share of roofline: the longer of compute and memory time at the rates measured in the same
  run (matrix product or convolution, large copy), over the measured time. Operands that
  stay in a cache can push it above 100%.
- Peers run as they ship, in float32 on a CPU. A peer that does not run a row is left out.
"""

_PROGRAM_COLUMNS: tuple[tuple[str, Callable[[Entry], str]], ...] = (
    ("row", lambda e: e["row"]),
    ("clip", lambda e: f"{e['clip']}, {e['source_frames']} frames, x{e['multiplier']}"),
    ("program", lambda e: e["program"]),
    ("frames written", lambda e: _figure(e, "frames", "{}")),
    ("seconds", lambda e: _figure(e, "seconds", "{:.1f}") or e.get("error", "")),
    ("times as fast", lambda e: _figure(e, "ratio", "{:.2f}")),
    ("peak memory, MiB", lambda e: _figure(e, "peak_mib", "{:.0f}")),
)


def _figure(entry: Entry, key: str, form: str) -> str:
    return form.format(entry[key]) if key in entry else ""


def _case(entry: Entry) -> tuple[Any, ...]:
    return tuple(entry[key] for key in _CASE)


def _table(
    columns: Sequence[tuple[str, Callable[[Entry], str]]], entries: Iterable[Entry]
) -> list[str]:
    rows = [[cell(entry) or "-" for _, cell in columns] for entry in entries]
    return _lines([name for name, _ in columns], rows)


def _lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _fastest(entries: Iterable[Entry], kind: str, name: str = "") -> Entry | None:
    timed = (e for e in entries if e["kind"] == kind and "ms" in e)
    return min((e for e in timed if e["contender"].startswith(name)), key=_ms, default=None)


def _ms(entry: Entry) -> float:
    return entry["ms"]


def summary(results: Sequence[Entry]) -> str:
    """One line a case: the fastest peer, and this project without and with other backends."""
    head = ("row", "size", "x", "fastest peer", "eager", "times as fast", "PSNR, dB")
    head += ("any backend", "times as fast", "PSNR, dB")
    rows: list[list[str]] = []
    for case, group in groupby(results, _case):
        entries = list(group)
        rival = _fastest(entries, "peer") or _fastest(entries, "reference")
        cells = [*map(str, case), f"{rival['contender']}, {rival['ms']:.4g} ms" if rival else "-"]
        for name in (_EAGER, ""):
            found = _fastest(entries, "own", name)
            if found is None:
                cells += ["-"] * 3
                continue
            times = found.get("vs_peer", found["vs_reference"])
            cells += [f"{found['contender']}, {found['ms']:.4g} ms", f"{times:.2f}"]
            cells.append(f"{found['psnr']:.1f}")
        rows.append(cells)
    return "\n".join(_lines(head, rows)) + "\n"


def same_precision(results: Sequence[Entry]) -> list[Entry]:
    """Of the cases that this project ran in float32, as peers do on a CPU: those entries."""
    rows: list[Entry] = []
    for _, group in groupby(results, _case):
        entries = [e for e in group if e["precision"] == "fp32"]
        if any(e["kind"] == "own" and "ms" in e for e in entries):
            rows += entries
    return rows


def keeping_hand_written(text: str, before: str) -> str:
    r"""New tables, and what stood below the old ones from `HAND_WRITTEN` on.

    Example:
        >>> keeping_hand_written("new", f"old\n{HAND_WRITTEN}\nnotes").splitlines()[::2]
        ['new', 'notes']
    """
    _, mark, notes = before.partition(HAND_WRITTEN)
    return f"{text}\n{mark}{notes}" if mark else text


def markdown(runs: Sequence[Entry]) -> str:
    """All runs: summaries, then each run's command, machine and tables."""
    lines = ["# Benchmark", ""]
    if results := [entry for run in runs for entry in run["results"]]:
        lines += ["## Beside the fastest peer", "", summary(results)]
        if same := same_precision(results):
            lines += ["## Same precision: float32 beside float32", "", summary(same)]
    lines += ["## What the figures are", "", _LEGEND]
    for number, run in enumerate(runs, 1):
        lines += [f"## Run {number}", "", "```", run["command"], "```", ""]
        lines += [_machine(run), ""]
        for (_, size, multiplier), group in groupby(run["results"], lambda e: ("", *_case(e)[1:])):
            lines += [f"### {size}, x{multiplier}", "", *_table(_COLUMNS, group), ""]
        if run["end_to_end"]:
            lines += ["### From file to file", ""]
            lines += [*_table(_PROGRAM_COLUMNS, run["end_to_end"]), ""]
        if run["start_up"]:
            stages = ", ".join(f"{stage} {spent:.2f}" for stage, spent in run["start_up"].items())
            lines += [f"Seconds from nothing to the first frame at 480p: {stages}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _machine(run: Entry) -> str:
    machine = ", ".join(f"{key}: {value}" for key, value in run["machine"].items())
    rates = [f"{name} {rate:.4g} GFLOP/s" for name, rate in run["rates"]["gflops"].items()]
    if rates:
        rates.append(f"copy {run['rates']['gbytes']:.4g} GB/s")
    return f"{machine}. {', '.join(rates)}".strip() + ("." if rates else "")


_WIDTH, _LEFT, _BAR, _GAP, _TOP = 900, 250, 15, 14, 56
_text = partial(svg.text, halo=True)
_COLOURS = {"reference": "#bbbbbb", "peer": "#8c8c8c", "own": "#4269d0"}


def picture(results: Sequence[Entry]) -> str:
    """Bars: how many times as fast as the fastest peer, or as the reference without a peer."""
    groups = [(case, [e for e in group if "ms" in e]) for case, group in groupby(results, _case)]
    speeds = [_speed(entry) for _, entries in groups for entry in entries]
    across = (_WIDTH - _LEFT - 110) / max([1.0, *speeds])
    y, parts = float(_TOP), list[str]()
    for (row, size, multiplier), entries in groups:
        parts.append(_text(10, y + _BAR - 3, f"{row}, {size} x{multiplier}", bold=True))
        for entry in entries:
            speed, colour = _speed(entry), _COLOURS[entry["kind"]]
            wide = speed * across
            parts.append(_text(_LEFT - 6, y + _BAR - 3, entry["contender"], "end"))
            parts.append(svg.bar(_LEFT, y, wide, _BAR - 2, colour))
            label = f"{speed:.2f} x, {entry['ms']:.0f} ms"
            parts.append(_text(_LEFT + wide + 5, y + _BAR - 3, label))
            y += _BAR
        y += _GAP
    one = _LEFT + across
    line = svg.line(one, _TOP - 6, one, y - _GAP + 2, svg.INK, "3 3")
    title = "Times as fast as the fastest peer (as the reference, where there is no peer)"
    head = [
        svg.opening(_WIDTH, y + 6),
        _text(10, 18, title, bold=True),
        _text(10, 36, "Milliseconds per interpolated frame beside the bars"),
    ]
    return "\n".join((*head, line, *parts, "</svg>\n"))


def _speed(entry: Entry) -> float:
    return entry.get("vs_peer", entry["vs_reference"])
