"""Writing files so that nothing is ever lost or half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mfnjax.errors import DataError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it over ``path`` on success.

    On any exception (Ctrl-C included) the temporary file is removed and ``path`` is as it
    was. The temporary name keeps the suffix of ``path``, which some writers look at. Through a
    link the file that it points to is replaced, and the link stays.

    Raises:
        DataError: The folder does not exist or cannot be written, or ``path`` is no plain file.
    """
    path = _checked_target(path)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)
        os.replace(beside, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_writable(path: str | Path) -> Path:
    """Return ``path`` if a file can be made there; makes its folder. Else DataError."""
    path = Path(path)
    _checked_target(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".mfnjax-", dir=path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    os.close(handle)
    os.unlink(name)
    return path


def _checked_target(path: str | Path) -> Path:
    """What ``path`` points to, if a file may stand there: renaming would take a device's place."""
    target = Path(path)
    if target.is_dir():
        raise DataError(f"{path}: is a folder, a file name was expected")
    if target.exists() and not target.is_file():
        raise DataError(f"{path}: is a device or a pipe, a file name was expected")
    return target.resolve() if target.is_symlink() else target
