"""Writing files: whole or not at all, and never over what is no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mfnjax import DataError
from mfnjax._files import check_writable, replacing, write_text


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ü 1.txt"
    write_text(path, "old")

    def interrupted() -> None:
        with replacing(path) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "real.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(folder / "real.txt")
    write_text(link, "new")
    assert link.is_symlink()
    assert (folder / "real.txt").read_text() == "new"


@pytest.mark.parametrize("write", [check_writable, lambda path: write_text(path, "")])
def test_what_is_no_file_is_refused_and_stays(tmp_path: Path, write) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match=r"pipe.txt: is a device or a pipe"):
        write(pipe)
    assert pipe.is_fifo()
    with pytest.raises(DataError, match="is a folder, a file name was expected"):
        write(tmp_path)
