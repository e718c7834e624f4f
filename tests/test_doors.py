"""Whatever a v4.1 run gets, any model gets: each of the registry goes through every door."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from mfnjax import DatasetConfig, Simulation, Trajectory, generate_dataset, get_model, simulate
from mfnjax.cli import main
from mfnjax.core import Grid
from mfnjax.models import model_names, registry
from mfnjax.models.base import IteratedMap, main_field
from serve.app import create_app
from serve.jobs.fitting import run_fit
from serve.schemas import FitRequest
from serve.settings import Settings

pytestmark = pytest.mark.usefixtures("own_model")
OWN = "rivals"
SEED, SIDE, STEPS, EVERY, DT = 3, 12, 8, 2, 0.005


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    settings = Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        warm_grid_sizes=(),
        queue_seconds=120,
        deadline_seconds=120,
    )
    with TestClient(create_app(settings)) as client:
        yield client


TEXT = "equations"
EQUATIONS = """a_t = D*lap(a) + r*a*(1 - a) - a*b
b_t = div(b*grad(a)) + 0.1*lap(b) + q*a + noise(0.01)"""


@pytest.fixture(params=[*model_names(), OWN, TEXT])
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A short run of a model, as plain values."""
    name = request.param
    if name == TEXT:
        found = {"equation": EQUATIONS, "parameters": {"D": 0.2, "r": 0.3, "q": 0.1}}
        start = {"a": "0.5 + 0.1*sin(x) + 0.01*uniform()", "b": "0.3 + 0.2*cos(x)*r"}
        return {**found, "start": start, "grid_size": SIDE, "steps": STEPS, "dt": DT}
    found: dict[str, Any] = {"model": name, "grid_size": SIDE, "steps": STEPS}
    if not issubclass(get_model(name).model, IteratedMap):
        found["dt"] = min([DT, *(preset.dt for preset in get_model(name).presets.values())])
    if name == OWN:
        found["parameters"] = {"rivalry": 1.5}
    return found


@pytest.mark.thorough
def test_files_pictures_and_the_command_line(values: dict[str, Any], tmp_path: Path) -> None:
    run = Simulation.from_dict({**values, "save_every": EVERY}).run(seed=SEED)
    assert bool(run.status.ok)

    back = Trajectory.load(run.save(tmp_path / "run.npz"))
    assert (back.simulation, back.seed, back.counts) == (run.simulation, run.seed, run.counts)
    assert back.history_steps.tolist() == [2, 4, 6, 8]
    same_bits(run, back)
    again = back.simulation.run(seed=back.seed)
    same_bits(run, again)

    assert len(run.plot().axes) == 3
    assert "data:image/png" in run._repr_html_()
    assert values.get("model", "PDE") in repr(run)

    path = tmp_path / "typed.npz"
    options = ["--grid-size", SIDE, "--steps", STEPS, "--seed", SEED, "--save-every", EVERY]
    options += ["--dt", values["dt"]] if "dt" in values else []
    options += [f"--set={k}={v}" for k, v in values.get("parameters", {}).items()]
    lines = values.get("equation", "").split("\n")
    options += (
        ["--model", values["model"]] if "model" in values else [f"--equation={e}" for e in lines]
    )
    options += [f"--start={k} = {v}" for k, v in values.get("start", {}).items()]
    typed = CliRunner().invoke(main, ["simulate", *map(str, options), "--history", "-o", path])
    assert typed.exit_code == 0, typed.output
    same_bits(run, Trajectory.load(path))


def same_bits(one: Trajectory, other: Trajectory) -> None:
    for name, field in one.state.asdict().items():
        np.testing.assert_array_equal(field, other.state[name])
        np.testing.assert_array_equal(one.histories[name], other.histories[name])


@pytest.mark.thorough
def test_a_row_of_a_dataset_is_the_run(values: dict[str, Any]) -> None:
    config = DatasetConfig(
        num_samples=2,
        grid_sizes=(SIDE,),
        steps_range=(STEPS, STEPS),
        base_seed=SEED,
        output_path=None,
    )
    settings = {k: v for k, v in values.items() if k not in ("grid_size", "steps", "parameters")}
    made = generate_dataset(config, ranges=values.get("parameters"), workers=1, **settings)
    assert made.failed == 0
    run = Simulation.from_dict({**values, "save_every": 1}).run(seed=SEED)
    row = {name: made.table[name][0].as_py() for name in made.table.column_names}
    for name, field in run.state.asdict().items():
        assert row[f"{name}_max"] == np.max(field)
    main = main_field(run.simulation.model)
    changes = np.abs(np.diff(run.histories[main].astype(float), axis=0))
    assert row[f"{main}_change_max"] == pytest.approx(changes.max(), rel=1e-4)
    assert row[f"{main}_change_mean"] == pytest.approx(changes.mean(), rel=1e-4)


def test_the_server_runs_it(values: dict[str, Any], web: TestClient[Any]) -> None:
    answer = web.post("/simulate", json={**values, "seed": SEED, "include_field": True})
    assert answer.status_code == 200, answer.text
    run = Simulation.from_dict(values).run(seed=SEED)
    for name, field in run.state.asdict().items():
        shown = run.quantity(name).shown(field)
        np.testing.assert_allclose(answer.json()["fields"][name], shown, rtol=1e-6)
    assert answer.json()["counts"] == run.counts


@pytest.mark.thorough
def test_the_server_fits_it_with_an_interval(values: dict[str, Any], tmp_path: Path) -> None:
    parameters, named = dict(values.get("parameters", {})), {}
    if values.get("model") == "mycelium":
        parameters["spike_probability"] = 0.0  # a fit without chance
    if "equation" in values:
        named["equation"] = values["equation"].replace(" + noise(0.01)", "")
    simulation = Simulation.from_dict({**values, **named, "parameters": parameters})
    grid = Grid((1, SIDE), boundary="neumann")
    if simulation.start is None:
        start = simulation.model.initial_state(grid, dtype="float32", key=jax.random.key(SEED))
    else:
        start = simulation.replace(grid=grid, steps=0).run(seed=SEED, dtype="float32").state
    free, measured = measured_with_another_value(simulation, start, grid)
    body = {
        **({"model": values["model"]} if "model" in values else named),
        "parameters": parameters,
        "fixed": [name for name in registry.parameter_names(simulation.model) if name != free],
        "field": main_field(simulation.model),
        "start": {name: np.asarray(u)[0].tolist() for name, u in start.asdict().items()},
        "steps": [STEPS, 2 * STEPS],
        "dt": values.get("dt", 1.0),
        "values": measured[:, 0].tolist(),
        "max_steps": 20,
    }
    request = msgspec.to_builtins(msgspec.convert(body, FitRequest))
    with jax.enable_x64(False):  # as the server runs
        result = run_fit(request, checkpoint=tmp_path / "fit.npz", progress=lambda *_: None)
    found = result["uncertainty"]["parameters"][free]
    assert found["low"] <= found["value"] <= found["high"]
    assert result["misfit"] is not None
    assert result["identifiability"] is not None
    assert result["sentences"]


def measured_with_another_value(simulation: Simulation, start: Any, grid: Grid) -> Any:
    """The first parameter that the main field feels, and what it is with 2 % more of it."""
    main = main_field(simulation.model)

    def frames(model: Any) -> np.ndarray:
        run = simulate(
            model,
            start,
            grid=grid,
            steps=2 * STEPS,
            dt=simulation.dt,
            save_every=STEPS,
            save=main,
        )
        return np.asarray(run.history)

    usual = frames(simulation.model)
    for name in registry.parameter_names(simulation.model):
        value = getattr(simulation.model, name)
        other = frames(dataclasses.replace(simulation.model, **{name: 1.02 * value}))
        if np.abs(other - usual).max() > 1e-5 * np.ptp(usual):
            noise = 1e-3 * np.ptp(usual) * np.random.default_rng(0).normal(size=other.shape)
            return name, (other + noise).astype(np.float32)
    raise AssertionError("the main field feels no parameter")
