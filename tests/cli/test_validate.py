"""`mfn validate`: the documented cycle on the command line."""

from __future__ import annotations

import dataclasses
import json

import pytest

from mfnjax.v41.config import ValidationConfig
from mfnjax.v41.validation import run_validation

SMALL = {"seed": 7, "grid_size": 16, "steps": 8, "epochs": 2}


@pytest.mark.thorough
def test_it_reports_what_the_library_finds(mfn, tmp_path):
    (tmp_path / "cycle.toml").write_text("grid_size = 16\nsteps = 8\nepochs = 9\n")
    options = ("--config", tmp_path / "cycle.toml", "--epochs", 2, "--seed", 7)
    report = run_validation(ValidationConfig(**SMALL))
    assert json.loads(mfn("validate", *options, "--json").stdout) == report.to_dict()
    table = mfn("validate", *options).stdout
    for name in report.to_dict():
        assert name in table
    assert f"{report.loss_final:.6g}" in table
    assert "seeds 7 … 22" in table


def test_every_field_is_an_option_and_out_of_range_is_one_line(mfn, refused):
    text = mfn("validate", "--help").stdout
    for field in dataclasses.fields(ValidationConfig):
        assert f"--{field.name.replace('_', '-')}" in text
    assert "epochs must be an integer from 1 to 100, got 0" in refused("validate", "--epochs", 0)
    assert "seed" in refused("validate", "--seed", 2**32 - 1)


def test_without_the_extra_it_says_what_to_install(refused, monkeypatch):
    monkeypatch.setattr("mfnjax.cli.validate.NETWORK_MODULES", ("no_such_module",))
    message = refused("validate")
    assert message == ("Error: mfn validate needs no_such_module: pip install 'mfnjax[network]'")
