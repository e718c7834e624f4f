"""Where the time goes: costs counted from HLO, times from a trace, tables that add up, the file."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks import profiling
from benchmarks.hlo import Cost, Program, shape_bytes
from benchmarks.profiling import SHOWN, Split, split_table
from benchmarks.trace import Operation, operations, record, save

ROOT = Path(__file__).parents[2]
N = 1024

HLO = """HloModule example, is_scheduled=true

%padded (param_0.1: f32[66], param_1.1: f32[64]) -> f32[66] {
  %param_0.1 = f32[66]{0} parameter(0)
  %param_1.1 = f32[64]{0} parameter(1)
  %constant.1 = s32[] constant(1)
  ROOT %dus = f32[66]{0} dynamic-update-slice(%param_0.1, %param_1.1, %constant.1)
}

%edge (param_0.2: f32[66], param_1.2: f32[64], param_2.2: f32[64]) -> f32[66] {
  %param_0.2 = f32[66]{0} parameter(0)
  %param_1.2 = f32[64]{0} parameter(1)
  %param_2.2 = f32[64]{0} parameter(2)
  %sum = f32[64]{0} add(%param_1.2, %param_2.2)
  %last = f32[1]{0} slice(%sum), slice={[63:64]}
  %constant.2 = s32[] constant(0)
  ROOT %dus.2 = f32[66]{0} dynamic-update-slice(%param_0.2, %last, %constant.2)
}

%stencil (param_0.3: f32[66], param_1.3: f32[]) -> f32[64] {
  %param_0.3 = f32[66]{0} parameter(0)
  %param_1.3 = f32[] parameter(1)
  %left = f32[64]{0} slice(%param_0.3), slice={[0:64]}
  %right = f32[64]{0} slice(%param_0.3), slice={[2:66]}
  %two = f32[64]{0} add(%left, %right)
  %spread = f32[64]{0} broadcast(%param_1.3), dimensions={}
  ROOT %scaled = f32[64]{0} multiply(%two, %spread)
}

ENTRY %main (a: f32[66], b: f32[64], s: f32[]) -> (f32[64], /*index=1*/f32[66]) {
  %a = f32[66]{0} parameter(0)
  %b = f32[64]{0} parameter(1)
  %s = f32[] parameter(2)
  %copy.1 = f32[66]{0} copy(%a)
  %fill = f32[66]{0} fusion(%copy.1, %b), kind=kLoop, calls=%padded, metadata={op_name="jit(f)/x"}
  %rim = f32[66]{0} fusion(%fill, %b, %b), kind=kLoop, calls=%edge
  %next = f32[64]{0} fusion(%rim, %s), kind=kLoop, calls=%stencil
  ROOT %out = (f32[64]{0}, f32[66]{0}) tuple(%next, %rim)
}
"""


def test_bytes_and_operations_of_a_known_program() -> None:
    costs = Program(HLO).costs
    assert costs["copy.1"] == Cost(2 * 66 * 4, 0, 2 * 66)
    assert costs["fill"] == Cost(2 * 64 * 4, 0, 2 * 64)  # the piece, read and written
    assert costs["rim"] == Cost(3 * 4, 1, 4)  # one cell of each, and the sum
    # Two slices of one array: read once, loaded twice; with s, two operations and a store.
    assert costs["next"] == Cost(66 * 4 + 4 + 64 * 4, 2 * 64, 2 * 64 + 1 + 2 * 64 + 64)
    assert costs["out"] == costs["a"] == Cost(0, 0, 0)
    assert Program(HLO).places["fill"] == "jit(f)/x"


@pytest.mark.parametrize(
    ("shape", "size"),
    [("f32[]", 4), ("bf16[3,5]{1,0}", 30), ("(u8[7], f64[2]{0}, pred[])", 24), ("token[]", 0)],
)
def test_sizes_of_shapes(shape: str, size: int) -> None:
    assert shape_bytes(shape) == size


@pytest.fixture(scope="module")
def looped():
    """a ← b + s·a, seven times: a compiled loop, its program as counted, and a trace of it."""

    @jax.jit
    def run(a: jax.Array, b: jax.Array, s: jax.Array) -> jax.Array:
        return lax.fori_loop(0, 7, lambda _, a: b + s * a, a)

    inputs = jnp.ones(N, jnp.float32), jnp.ones(N, jnp.float32), jnp.float32(0.5)
    program = run.lower(*inputs).compile()
    call = partial(program, *inputs)
    jax.block_until_ready(call())
    return Program(program.as_text()), record(call)


def test_a_real_loop_is_counted_as_often_as_it_runs(looped) -> None:
    program, events = looped
    ran = {one.name: one for one in operations(events)}
    assert set(ran) <= set(program.costs)
    (body,) = [name for name in ran if program.costs[name].flops]
    assert ran[body].calls == 7
    assert program.costs[body] == Cost(3 * 4 * N + 4, 2 * N, 2 * N + 1 + 2 * N + N)


def test_the_trace_file_is_json_that_a_viewer_reads(looped, tmp_path: Path) -> None:
    _, events = looped
    path = save(events, tmp_path / "new" / "trace.json.gz")
    read = json.loads(gzip.decompress(path.read_bytes()))
    assert read["traceEvents"] == events
    for event in events:
        assert event["ph"] in ("M", "X")
        assert event["ph"] == "M" or {"name", "ts", "dur", "pid", "tid"} <= set(event)


def event(name: str, start: float, length: float, thread: int = 1) -> dict:
    """An operation in a trace."""
    told = {"hlo_op": name, "hlo_module": "m"}
    return {
        "ph": "X",
        "name": name,
        "ts": start,
        "dur": length,
        "tid": thread,
        "pid": 1,
        "args": told,
    }


def test_the_time_of_an_operation_is_without_what_runs_inside() -> None:
    events = [
        event("while", 0, 100),
        event("add", 10, 20),
        event("cond", 40, 50),
        event("add", 45, 15),
        event("add", 60, 10),
        event("add", 20, 5, thread=2),
        {"ph": "X", "name": "Python", "ts": 0, "dur": 500, "tid": 1, "pid": 1},
        {"ph": "M", "name": "thread_name", "pid": 1},
    ]
    found = {one.name: one for one in operations(reversed(events))}
    assert found == {
        "while": Operation("while", 1, 30),
        "cond": Operation("cond", 1, 25),
        "add": Operation("add", 4, 50),
    }
    assert operations(events, module="another") == []


def test_the_tables_of_a_call_add_up() -> None:
    ran = tuple(Operation(f"op{k}", k + 1, 10.0 * (20 - k)) for k in range(20))
    costs = {one.name: Cost(4096 * (at % 3), 0, 0) for at, one in enumerate(ran)}
    split = Split(5.0, 4.0, 1.0, ran, costs, {"op1": "jit(f)/while/body/add"})
    parts = dict(split.parts())
    assert sum(parts.values()) == pytest.approx(5.0)
    assert parts["Python around the program"] == pytest.approx(1.0)
    assert parts["calling the program"] == pytest.approx(1.0)
    rows = split.operation_rows()
    assert len(rows) == SHOWN + 1
    assert sum(int(row[1]) for row in rows) == sum(one.calls for one in ran)
    assert sum(float(row[2]) for row in rows) == pytest.approx(3.0, abs=1e-3)
    assert sum(float(row[3].rstrip("%")) for row in rows) == pytest.approx(100, abs=1)
    second = rows[1]  # two runs of 4 KiB in 3 ms · 190 / 2100
    assert second[4] == "4.0"
    assert float(second[5]) == pytest.approx(2 * 4096 / (1e6 * 3 * 190 / 2100), abs=0.06)
    assert second[6] == "while/body/add"
    *some, total = split_table("", split).rows
    assert sum(float(row[1]) for row in some) == pytest.approx(float(total[1]), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "missing.toml"], "missing.toml"),
        (["--size", "1"], "grid_size"),
        (["--steps", "many"], "invalid int value: 'many'"),
        (["--output", "file/inside"], "cannot be written"),
    ],
)
def test_wrong_options_give_one_clear_line(
    refusal: Callable[..., str], arguments: list[str], told: str
) -> None:
    last = refusal(profiling.main, arguments)
    assert told in last
    assert last.startswith("python -m benchmarks.profiling: ")


@pytest.mark.slow
def test_the_command_profiles_a_small_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.profiling", "--size", "16", "--steps", "40"]
    done = subprocess.run([*command, "-o", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "profile.json").read_text(encoding="utf-8"))
    once, call, steps, stages, memory = numbers["tables"]
    assert {row[0] for row in once["rows"]} >= {"run: trace", "run: lower", "run: compile"}
    *parts, total = [float(row[1]) for row in call["rows"]]
    assert sum(parts) == pytest.approx(total, abs=1e-3)
    assert any("while" in row[-1] for row in steps["rows"])
    program = (tmp_path / "run.hlo.txt").read_text(encoding="utf-8")
    for name, *_ in steps["rows"][:-1]:
        assert f"%{name} = " in program
    assert [row[0] for row in stages["rows"]][:2] == ["run", "run with history"]
    run = memory["rows"][0]
    assert float(run[1]) >= 3 * 4 * 16**2 / 2**20 - 1e-3
    events = json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))["traceEvents"]
    names = {event["name"] for event in events}
    assert {"simulate", "run_mycelium_simulation", "with_history", "compute_features"} <= names
