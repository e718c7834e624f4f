"""What a run gives: shown and saved wherever it was made; a simulation from plain values."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import (
    DataError,
    GrayScottModel,
    Grid,
    MyceliumModel,
    ParameterError,
    Simulation,
    SimulationResult,
    State,
    register_model,
    register_pytree,
    simulate,
)
from mfnjax.core.sides import Boundary
from mfnjax.models.base import ReactionDiffusion
from mfnjax.simulation import Stepper, Trajectory
from mfnjax.simulation.trajectory import Status
from mfnjax.steppers.stepper import advanced

GRID = Grid((8, 8))
FRAMES = Simulation(GrayScottModel(), GRID, 7, save_every=2, save="v")


def _start() -> State:
    return GrayScottModel().initial_state(GRID, key=jax.random.key(0))


@pytest.mark.thorough
def test_a_run_inside_a_transformation_shows_itself_with_its_frames() -> None:
    run = jax.jit(FRAMES.run)(_start())
    assert repr(run).endswith("3 frames)")
    assert ("history", "3 frames") in run.summary()
    assert "<img" in run._repr_html_()
    assert repr(jax.eval_shape(FRAMES.run, _start())).startswith("Trajectory(u, v")
    assert repr(jax.tree.map(lambda _: None, run)).startswith("Trajectory(u, v")


@pytest.mark.thorough
def test_an_ensemble_comes_back_from_its_file(tmp_path) -> None:
    models = FRAMES.replace(model=GrayScottModel(feed=jnp.linspace(0.03, 0.06, 5)))
    run = models.ensemble(_start())
    assert run.history_steps.tolist() == [[2, 4, 6]] * 5
    assert repr(run).endswith("3 frames)")
    back = Trajectory.load(run.save(tmp_path / "run.npz"))
    assert back.status.ok.tolist() == [True] * 5
    back.status.raise_if_bad()
    assert back.history_steps.tolist() == run.history_steps.tolist()

    events = Simulation(MyceliumModel(), GRID, 7)
    start = MyceliumModel().initial_state(GRID, key=jax.random.key(0))
    run = events.ensemble(start, key=jax.random.split(jax.random.key(1), 3))
    back = Trajectory.load(run.save(tmp_path / "run.npz"))
    for name, counts in run.counts.items():
        assert np.array_equal(back.counts[name], counts)
        assert back.counts[name].dtype == counts.dtype


@register_pytree
@dataclass(frozen=True)
class _Bath(Boundary):
    value: Any = 1.0
    name = "periodic"

    def ends(self, field: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        layer = jnp.full_like(jax.lax.slice_in_dim(field, 0, 1, axis=axis), self.value)
        return layer, layer


def test_a_boundary_is_not_saved_as_another_of_its_name(tmp_path) -> None:
    run = Simulation(GrayScottModel(), Grid((8, 8), boundary=_Bath()), 2).run(seed=0)
    with pytest.raises(ParameterError, match="no name stands for the boundary _Bath"):
        run.save(tmp_path / "run.npz")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"grid": Grid((6, 9))}, "shape"),
        ({"grid": Grid((8, 8), spacing=2.0)}, "spacing = 2.0"),
        ({"model": MyceliumModel(growth_mean=0.001)}, "growth_mean = 0.001"),
        ({"save_every": 3}, "3 steps apart"),
    ],
)
@pytest.mark.thorough
def test_a_result_has_no_configuration_that_is_not_its_own(changes, named, tmp_path) -> None:
    simulation = Simulation(MyceliumModel(), GRID, 9).replace(**changes)
    path = simulation.run(seed=1).save(tmp_path / "run.npz")
    with pytest.raises(DataError, match=named):
        SimulationResult.load(path)
    with pytest.raises(DataError, match="from a seed"):
        SimulationResult.of(jax.tree.map(np.asarray, Trajectory.load(path)))


@jax.tree_util.register_dataclass
@dataclass  # not frozen: what a user may write
class _Power(ReactionDiffusion):
    """u' = −c·u^n."""

    fields: ClassVar[tuple[str, ...]] = ("u",)
    reaction_fields: ClassVar[tuple[str, ...]] = ("u",)
    rate: Any = 1.0
    power: int = field(default=1, metadata={"static": True})

    def __post_init__(self) -> None:
        if isinstance(self.rate, float) and self.rate < 0:
            raise ValueError("rate must not\nbe negative")

    def reaction(self, values: Any) -> Any:
        product = self.rate
        for _ in range(self.power):
            product = product * values[0]
        return (-product,)

    def transport(self, values: Any, laplacian: Any) -> Any:
        return (0.1 * laplacian(values[0]),)

    def initial_state(self, grid: Grid, *, dtype: Any = None, key: jax.Array) -> State:
        return State.of(u=jnp.full(grid.shape, self.rate, dtype))


def test_a_model_that_is_changed_runs_with_its_new_numbers() -> None:
    model, start = _Power(), (jnp.ones((8, 8)),)
    means = []
    for model.rate in (1.0, 2.0):
        run = simulate(model, start, grid=GRID, steps=3, dt=0.1)
        seeded = Simulation(model, GRID, 0).run(seed=0)
        means.append((float(run.state["u"].mean()), float(seeded.state["u"].mean())))
    assert means == [pytest.approx((0.9**3, 1.0)), pytest.approx((0.8**3, 2.0))]


def test_a_number_that_chooses_code_comes_back_as_it_was() -> None:
    register_model("power-of-a-test", _Power)
    simulation = Simulation(_Power(power=5), GRID, 2, dt=0.1)
    back = Simulation.from_dict(simulation.to_dict())
    assert type(back.model.power) is int
    assert back.run(seed=0).status.ok
    with pytest.raises(ParameterError, match="rate must not be negative"):
        Simulation.from_dict({"model": "power-of-a-test", "rate": -1.0})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": ["a"]}, "by its name"),
        ({"model": "gray-scott", "preset": [1]}, "no preset"),
        ({"model": "gray-scott", "start": ["x"]}, "has the starts"),
        ({"model": "gray-scott", "save_every": 2, "save": np.ones(3)}, "save must be one of"),
        ({"model": "gray-scott", "feed": True}, "feed must be a number"),
        ({"model": "gray-scott", "feed": ["a", "b"]}, "feed must be numbers"),
        ({"model": "gray-scott", "feed": [1, None]}, "feed must be numbers"),
        ({"turing_enabled": 0.3}, "turing_enabled must be true or false"),
        ({"turing_enabled": "yes"}, "turing_enabled must be true or false"),
    ],
)
def test_an_odd_value_is_refused_by_name(values, message) -> None:
    with pytest.raises(ParameterError, match=message):
        Simulation.from_dict(values)


def test_a_flag_may_be_a_digit_as_on_the_command_line() -> None:
    assert Simulation.from_dict({"turing_enabled": 0.0}).model.turing_enabled is False


def test_a_traced_step_has_no_plain_values() -> None:
    with pytest.raises(ParameterError, match="inside a transformation"):
        jax.jit(lambda dt: FRAMES.replace(dt=dt).to_dict())(0.1)


class _Still(Stepper):
    def step(self, model, grid, dt, prepared, values, *, time, draw):
        return advanced(values)


class _Unhashable(_Still):
    __hash__ = None  # type: ignore[assignment]


def test_a_stepper_without_a_name_serves_and_one_without_a_hash_is_refused() -> None:
    run = FRAMES.replace(stepper=_Still()).run(_start())
    assert ("steps", "7 of dt = 1 (own)") in run.summary()
    with pytest.raises(ParameterError, match="_Unhashable must be hashable"):
        FRAMES.replace(stepper=_Unhashable()).run(_start())


@pytest.mark.parametrize("value", ["x", 1 + 2j, None, float("nan")])
def test_a_run_from_a_seed_names_a_parameter_that_is_no_number(value) -> None:
    with pytest.raises(ParameterError, match="feed must be a finite number"):
        Simulation(GrayScottModel(feed=value), Grid((8, 8)), 5).run(seed=1)


@pytest.mark.parametrize("name", ["meta", "file", "u_history"])
def test_a_field_whose_name_the_file_needs_is_refused(name, tmp_path) -> None:
    run = Simulation(GrayScottModel(), Grid((8, 8)), 2, save_every=1).run(seed=1)
    renamed = State((name, "u"), run.state.values)
    run = dataclasses.replace(run, state=renamed, history=State(("u",), run.history.values[:1], 0))
    with pytest.raises(ParameterError, match=f"would be named {name!r}"):
        run.save(tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_status_is_a_sentence() -> None:
    whole = Status(("u", "v"), -1, -1)
    assert str(whole) == "all fields stayed finite"
    assert repr(whole) == "Status(all fields stayed finite)"
    assert str(Status(("u", "v"), np.int32(12), np.int32(1))) == "v is not finite after step 12"
    assert str(Status(("u",), 0, 0)) == "u is not finite at the start"
    many = Status(("u", "v"), np.array([-1, 7, 3]), np.array([-1, 1, 0]))
    assert str(many) == "2 of 3 members are not finite: of member 1, v is not finite after step 7"
    jax.jit(lambda status: str(status) and status.first_bad_step)(many)
