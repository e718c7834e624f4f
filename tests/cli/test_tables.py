"""A field in a table is measured as the same field in an array."""

from __future__ import annotations

import json

import numpy as np
import openpyxl


def test_features_of_tables(mfn, tmp_path) -> None:
    field = np.random.default_rng(0).normal(-0.06, 0.01, (12, 9)).round(6)
    np.save(tmp_path / "field.npy", field)
    np.savetxt(tmp_path / "field.csv", field, delimiter=";", fmt="%.6f")
    text = (tmp_path / "field.csv").read_text().replace(".", ",")
    (tmp_path / "field.csv").write_text(text)
    book = openpyxl.Workbook()
    for row in field.tolist():
        book.active.append(row)
    book.save(tmp_path / "field.xlsx")
    names = ("field.npy", "field.csv", "field.xlsx")
    files = [tmp_path / name for name in names]
    one, *others = json.loads(mfn("features", *files, "--json").stdout)
    for other in others:
        assert other | {"file": ""} == one | {"file": ""}
