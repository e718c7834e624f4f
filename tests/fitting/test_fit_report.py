"""What is said of a fit: plain JSON values, sentences, and what cannot be judged."""

from __future__ import annotations

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import ParameterError
from mfnjax.fitting import CallableObjective, covariance, report_fit
from tests.fitting.conftest import RATES, observed


def test_a_report_without_a_table(fitted) -> None:
    report = report_fit(fitted)
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(told) == {"fit", "uncertainty", "identifiability", "misfit"}
    assert told["fit"]["parameters"] == fitted.parameters
    widened = max(told["misfit"]["reduced_chi_square"], 1.0)
    same = covariance(fitted, scale=widened, along_x=True)
    assert told["uncertainty"] == same.to_dict()
    assert told["identifiability"]["identifiable"] == RATES
    # Places are in the grid's unit of length, times in the model's.
    assert report.misfit.positions.tolist() == [x + 0.5 for x in range(24)]
    assert report.misfit.times.tolist() == [0.0, 10.0, 20.0, 30.0]
    sentences = report.sentences()
    assert sentences[0].startswith("χ² per degree of freedom")
    assert any(line.startswith("Identifiable: diffusivity, growth_rate") for line in sentences)


def test_what_cannot_be_judged_is_refused(front, fitted) -> None:
    squares = CallableObjective(lambda m: jnp.stack([m.diffusivity - 1.0]), squares=True)
    with pytest.raises(ParameterError, match="pointwise data of one field"):
        report_fit(replace(fitted, objectives={"": squares}))
    seen = np.full_like(front.seen, np.nan)
    seen[0, 0, 7:9] = front.seen[0, 0, 7:9]
    few = observed(front._replace(seen=seen))
    with pytest.raises(ParameterError, match=r"no more measurements \(2\) than parameters \(2\)"):
        report_fit(replace(fitted, objectives={"": few}))
