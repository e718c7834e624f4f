"""Output on terminals and into files that lack characters."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mfnjax.cli.terminal import plain


@pytest.mark.thorough
@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-1"])
def test_the_list_of_models_goes_into_any_file(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "mfnjax", "models", "--json"]
    run = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr.decode(encoding)
    rows = json.loads(run.stdout.decode(encoding))
    assert "length²/time, >= 0" in json.dumps(rows, ensure_ascii=False)


def test_every_character_has_plain_words() -> None:
    said = [plain(letter) for letter in "≥≤→∇αΔλ²₂ïé█│─−…\u202f"]
    assert said == [
        *(">=", "<=", "->", "grad", "alpha", "Delta", "lamda", "^2", "2", "i", "e"),
        *("#", "|", "-", "-", "...", " "),
    ]
    assert plain("漢") == "?"
