"""A user's own models: ``--import MODULE|FILE.py``, and the entry points of installed packages."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from mfnjax.errors import DataError

GROUP = "mfnjax.models"
"""The group of entry points in which packages name their models."""


def import_module(name: str) -> ModuleType:
    """Import a module by its dotted name, or a file ``….py`` by its path.

    A file sees its neighbours, as a script does; a module is looked for in the working folder
    first.

    Raises:
        DataError: There is none, or its code fails; the message names the failing line.
    """
    is_file = name.endswith(".py") or "/" in name
    try:
        return _from_file(Path(name)) if is_file else _from_name(name)
    except DataError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise DataError(f"--import {name}: {_first_cause(error)}") from error


def load_installed(take: Callable[[str, Any], None]) -> None:
    """Give ``take`` the name and the object of every entry point of `GROUP`.

    One that cannot be loaded, or is not taken, is one warning.
    """
    for point in entry_points(group=GROUP):
        try:
            take(point.name, point.load())
        except (Exception, SystemExit) as error:  # whatever the package's code raises
            package = "" if point.dist is None else f" of {point.dist.name}"
            warnings.warn(
                f"the model {point.name!r}{package} (entry point {point.value}) cannot be loaded: "
                f"{_first_cause(error)}",
                stacklevel=2,
            )


def _from_name(name: str) -> ModuleType:
    _see(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise DataError(
                f"--import {name}: no such module; a file is named with its ending, {name}.py"
            ) from error
        raise


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DataError(f"--import {path}: {'is a folder' if path.is_dir() else 'no such file'}")
    path = path.resolve()
    name = f"_mfn_import_{path.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise DataError(f"--import {path}: not a Python file (.py)")
    _see(path.parent)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being made
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _see(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _first_cause(error: BaseException) -> str:
    """The error in one line, with the place in the user's code where it came up."""
    text = " ".join(str(error).split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError):
        return said
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    own = [f for f in frames if "importlib" not in f.filename and "/mfnjax/" not in f.filename]
    if not (own or frames):
        return said
    place = (own or frames)[-1]
    return f"{said} ({Path(place.filename).name}, line {place.lineno})"
