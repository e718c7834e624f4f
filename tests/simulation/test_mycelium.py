"""The v4.1 model against a plain float64 transcription, and its chance events against counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.harness.numpy_mycelium import run_numpy_mycelium
from mfnjax import Grid, MyceliumModel, ParameterError, StabilityError, simulate

SHAPES = ((8, 8), (7, 12), (13, 5))
BOUNDARIES = ("periodic", "neumann", "dirichlet")


def random_start(shape: tuple[int, int], seed: int) -> list[np.ndarray]:
    """States that cross the threshold, reach both clamps and both clips."""
    rng = np.random.default_rng(seed)
    potential = rng.uniform(-0.094, 0.039, shape)
    potential.flat[:3] = (-0.095, 0.040, 0.0399)
    return [potential, rng.uniform(0, 1, shape), rng.uniform(0, 1, shape)]


def quiet_model(**parameters) -> MyceliumModel:
    return MyceliumModel(spike_probability=0.0, **parameters)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_float64_equals_the_transcription(shape: tuple[int, int], boundary: str) -> None:
    grid, steps = Grid(shape, 1.0, boundary), 60
    for seed in range(3):
        start = random_start(shape, seed)
        run = simulate(quiet_model(alpha=0.21), start, grid=grid, steps=steps)
        oracle = run_numpy_mycelium(
            *start, steps, alpha=0.21, spike_probability=0.0, boundary=boundary
        )
        for name in ("potential", "activator", "inhibitor"):
            np.testing.assert_allclose(
                run.state[name], getattr(oracle, name), rtol=1e-12, atol=1e-12
            )
        assert run.counts["turing_activations"] == oracle.turing_activations > 0
        assert run.counts["clamping_events"] == oracle.clamping_events
        assert run.counts["growth_events"] == 0


def test_float32_equals_the_transcription() -> None:
    """From states whose float64 run keeps every a' 1e-5 away from the threshold."""
    shape, steps, checked = (12, 11), 40, 0
    for seed in range(40):
        start = [field.astype(np.float32) for field in random_start(shape, seed)]
        gaps: list[float] = []
        oracle = run_numpy_mycelium(
            *start,
            steps,
            spike_probability=0.0,
            watch=lambda a: gaps.append(float(np.min(np.abs(a - 0.75)))),  # noqa: B023
        )
        if min(gaps) < 1e-5:
            continue
        checked += 1
        run = simulate(quiet_model(), start, grid=Grid(shape), steps=steps)
        for name in ("potential", "activator", "inhibitor"):
            expected = getattr(oracle, name)
            assert run.state[name].dtype == jnp.float32
            error = np.max(np.abs(np.asarray(run.state[name]) - expected)) / np.max(
                np.abs(expected)
            )
            assert error < 1e-5, (name, seed, error)
        assert run.counts["turing_activations"] == oracle.turing_activations
    assert checked >= 5


def test_clamping_is_counted_where_the_clamp_changes_a_cell() -> None:
    """One active cell at +38 mV is lifted over +40 mV by the 5 mV: one clamp in one step."""
    potential = np.full((6, 6), 0.038)
    activator = np.zeros((6, 6))
    activator[2, 3] = 1.0
    start = [potential, activator, np.zeros((6, 6))]
    run = simulate(quiet_model(), start, grid=Grid((6, 6)), steps=1)
    # a' = 1 − 4·0.1 = 0.6 < θ there, so θ is lowered below it
    lowered = simulate(quiet_model(turing_threshold=0.5), start, grid=Grid((6, 6)), steps=1)
    assert run.counts == {"growth_events": 0, "turing_activations": 0, "clamping_events": 0}
    assert lowered.counts == {"growth_events": 0, "turing_activations": 1, "clamping_events": 1}
    assert float(lowered.state["potential"][2, 3]) == 0.040


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_diffusion_alone_conserves_the_mean(boundary: str) -> None:
    start = random_start((9, 14), 0)
    model = quiet_model(turing_enabled=False)
    run = simulate(model, start, grid=Grid((9, 14), 1.0, boundary), steps=500)
    assert abs(float(run.state["potential"].mean()) - start[0].mean()) < 1e-12


def test_a_fourier_mode_decays_with_the_discrete_eigenvalue() -> None:
    size, steps, alpha = 16, 50, 0.2
    x = 2 * np.pi * np.arange(size) / size
    mode = np.cos(3 * x)[:, None] * np.cos(2 * x)[None, :]
    eigenvalue = 2 * np.cos(2 * np.pi * 3 / size) + 2 * np.cos(2 * np.pi * 2 / size) - 4
    start = [0.01 * mode, np.zeros((size, size)), np.zeros((size, size))]
    model = quiet_model(alpha=alpha, turing_enabled=False)
    run = simulate(model, start, grid=Grid((size, size)), steps=steps)
    expected = 0.01 * (1 + alpha * eigenvalue) ** steps * mode
    np.testing.assert_allclose(run.state["potential"], expected, rtol=0, atol=1e-15)


@pytest.mark.thorough
def test_growth_events_are_what_they_should_be() -> None:
    """p events a step; each one cell, uniform over the grid; magnitude Normal(20 mV, 5 mV)."""
    shape, steps, p = (6, 10), 4000, 0.3
    flat = [np.full(shape, -0.09), np.zeros(shape), np.zeros(shape)]
    # a fresh start for each step: the state after one step shows its event alone
    model = MyceliumModel(spike_probability=p, alpha=1e-12, turing_enabled=False)
    key = jax.random.key(3)

    def one_step(step):
        from mfnjax import State

        start = State(model.fields, tuple(jnp.asarray(f) for f in flat), step)
        run = simulate(model, start, grid=Grid(shape), steps=1, key=key)
        return run.state["potential"] - flat[0], run.counts["growth_events"]

    change, events = jax.vmap(one_step)(jnp.arange(steps, dtype=jnp.int32))
    change, events = np.asarray(change), np.asarray(events)
    touched = np.abs(change) > 1e-6
    assert np.all(touched.sum((1, 2)) == events)
    assert abs(events.mean() - p) < 4 * np.sqrt(p * (1 - p) / steps)
    sizes = change[touched]
    count = len(sizes)
    assert abs(sizes.mean() - 0.020) < 4 * 0.005 / np.sqrt(count)
    assert abs(sizes.std() - 0.005) < 4 * 0.005 / np.sqrt(2 * count)
    expected = count / touched[0].size
    chi_square = np.sum((touched.sum(0) - expected) ** 2 / expected)
    assert chi_square < 59 + 4 * np.sqrt(2 * 59)


@pytest.mark.thorough
def test_jitter_has_its_variance_and_leaves_the_events_alone() -> None:
    shape = (64, 64)
    start = [np.full(shape, -0.03), np.zeros(shape), np.zeros(shape)]
    noisy = MyceliumModel(quantum_jitter=True, jitter_var=1e-6, turing_enabled=False)
    still = MyceliumModel(turing_enabled=False)
    key = jax.random.key(5)
    runs = [simulate(m, start, grid=Grid(shape), steps=1, key=key) for m in (noisy, still)]
    noise = np.asarray(runs[0].state["potential"] - runs[1].state["potential"])
    assert runs[0].counts["growth_events"] == runs[1].counts["growth_events"]
    assert abs(noise.var() / 1e-6 - 1) < 4 * np.sqrt(2 / noise.size)
    assert abs(noise.mean()) < 4e-3 / np.sqrt(noise.size)


def test_initial_state_has_its_distribution() -> None:
    grid = Grid((128, 128))
    state = MyceliumModel().initial_state(grid, key=jax.random.key(0))
    error = 4 / np.sqrt(grid.num_cells)
    assert abs(float(state["potential"].mean()) + 0.070) < 0.005 * error
    assert abs(float(state["potential"].std()) / 0.005 - 1) < error
    for name in ("activator", "inhibitor"):
        assert 0 <= float(state[name].min()) <= float(state[name].max()) <= 0.1
        assert abs(float(state[name].mean()) - 0.05) < 0.03 * error


@pytest.mark.thorough
def test_the_defaults_never_cross_the_threshold() -> None:
    """The documented model forms no pattern: with one key, the pair changes nothing in V."""
    grid = Grid((32, 32))
    start = MyceliumModel().initial_state(grid, key=jax.random.key(0))
    key = jax.random.key(1)
    runs = [
        simulate(MyceliumModel(turing_enabled=on), start, grid=grid, steps=300, key=key)
        for on in (True, False)
    ]
    assert runs[0].counts["turing_activations"] == 0
    np.testing.assert_array_equal(runs[0].state["potential"], runs[1].state["potential"])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alpha": 0.3}, StabilityError, "alpha = 0.3 is over the stability bound 0.25"),
        ({"d_activator": 0.25}, StabilityError, "d_activator = 0.25 is not below the stability"),
        ({"alpha": 0.0}, ParameterError, r"alpha must lie in \(0, 0.25\], got 0.0"),
        ({"alpha": float("nan")}, ParameterError, "alpha must be a finite number"),
        ({"r_inhibitor": 0.2}, ParameterError, "r_inhibitor must lie in"),
        ({"spike_probability": 1.5}, ParameterError, "spike_probability must lie in"),
        ({"alpha": np.array([0.1, 0.9])}, ParameterError, "alpha must be a number"),
        ({"alpha": "fast"}, ParameterError, "alpha must be a number, got 'fast'"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict, error: type, message: str) -> None:
    start = random_start((4, 4), 0)
    with pytest.raises(error, match=message):
        simulate(
            MyceliumModel(**parameters),
            start,
            grid=Grid((4, 4)),
            steps=1,
            key=jax.random.key(0),
        )


def test_the_bound_follows_the_spacing() -> None:
    start = random_start((4, 4), 0)
    with pytest.raises(StabilityError, match=r"alpha = 0.2 is over .* 0.0625 .* spacing 0.5"):
        simulate(quiet_model(alpha=0.2), start, grid=Grid((4, 4), 0.5), steps=1)


def test_a_map_has_no_other_time_step() -> None:
    with pytest.raises(ParameterError, match="dt must be 1"):
        simulate(quiet_model(), random_start((4, 4), 0), grid=Grid((4, 4)), steps=1, dt=0.5)


def test_a_run_of_chance_needs_a_key() -> None:
    with pytest.raises(ParameterError, match=r"pass key=jax.random.key\(seed\)"):
        simulate(MyceliumModel(), random_start((4, 4), 0), grid=Grid((4, 4)), steps=1)


@pytest.mark.parametrize(("name", "value"), [("activator", 1e20), ("inhibitor", 3.4e38)])
def test_minus_infinity_is_noticed_before_the_clip_hides_it(name: str, value: float) -> None:
    """In float32 a(1 − a) overflows to −∞, and ∇²i does; clip(−∞) would be a legal 0."""
    fields = {n: np.zeros((6, 6), np.float32) for n in ("potential", "activator", "inhibitor")}
    fields[name][2, 3] = value
    model = quiet_model(r_activator=0.1, r_inhibitor=0.1, d_inhibitor=0.24)
    run = simulate(model, fields, grid=Grid((6, 6)), steps=1)
    assert (int(run.status.first_bad_step), run.status.field_name) == (1, name)


def test_a_float32_parameter_at_its_bound_is_accepted() -> None:
    start = random_start((4, 4), 0)
    model = quiet_model(
        r_activator=jnp.float32(0.1), d_activator=jnp.float32(0.01), r_inhibitor=np.float32(0.001)
    )
    assert bool(simulate(model, start, grid=Grid((4, 4)), steps=1).status.ok)
    with pytest.raises(StabilityError, match=r"alpha = 0.3 is over"):
        simulate(quiet_model(alpha=jnp.float32(0.3)), start, grid=Grid((4, 4)), steps=1)


@pytest.mark.thorough
def test_no_noise_has_a_finite_gradient() -> None:
    start = random_start((4, 4), 0)

    def loss(variance):
        model = MyceliumModel(quantum_jitter=True, jitter_var=variance)
        run = simulate(
            model, start, grid=Grid((4, 4)), steps=2, adjoint="direct", key=jax.random.key(0)
        )
        return run.state["potential"].sum()

    assert float(jax.grad(loss)(0.0)) == 0.0
    assert np.isfinite(float(jax.grad(loss)(1e-6)))
