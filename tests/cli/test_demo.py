"""``mfn demo``: what it writes, and that it shows what it says."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from mfnjax import SimulationResult, Trajectory, compute_fractal_features
from mfnjax.features import FEATURE_NAMES
from mfnjax.features.config import make_feature_config_demo
from mfnjax.v41.config import make_simulation_config_demo


@pytest.fixture(scope="module")
def demo(mfn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out" / "demo"
    return folder, mfn("demo", "-o", folder).stdout


@pytest.mark.thorough
def test_it_says_where_everything_is(demo):
    folder, output = demo
    written = {path.name for path in folder.iterdir()}
    assert {"report.html", "gray_scott.gif", "mycelium.png", "features.json"} <= written
    for name in written:
        assert str(folder / name) in output
    assert "forms no pattern" in output


@pytest.mark.thorough
def test_the_pictures_are_pictures(demo):
    folder, _ = demo
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) >= 4
    for path in pictures:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert min(pixels.shape) > 300
        assert pixels.std() > 10
    assert Image.open(folder / "gray_scott.gif").n_frames >= 50


@pytest.mark.thorough
def test_the_pattern_really_forms(demo):
    folder, _ = demo
    result = Trajectory.load(folder / "gray_scott.npz")
    assert result.state["v"].std() > 0.05
    assert result.state["v"].std() > 2 * result.histories["v"][0].std()


@pytest.mark.thorough
def test_the_documented_run_and_its_features(demo):
    folder, _ = demo
    result = SimulationResult.load(folder / "mycelium.npz")
    assert result.config == make_simulation_config_demo()
    found = json.loads((folder / "features.json").read_text())
    expected = compute_fractal_features(result, make_feature_config_demo()).to_json_dict()
    assert {name: found["mycelium"][name] for name in FEATURE_NAMES} == expected
    assert 1 < found["gray_scott"]["D_box"] < 2


@pytest.mark.thorough
def test_the_report_holds_everything_itself(demo):
    folder, _ = demo
    page = (folder / "report.html").read_text()
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) == 6
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r'(src|href)="(?!data:)', page)
    for name in FEATURE_NAMES:
        assert f">{name}<" in page


def test_a_folder_that_cannot_be_written_is_refused_first(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("demo", "-o", tmp_path / "file")
