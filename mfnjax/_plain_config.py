"""Configurations as plain values: frozen dataclasses that go to and come from dicts and files."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any, Self

from mfnjax._files import write_text
from mfnjax._parameter import Parameter, declare, parameters_of
from mfnjax.errors import DataError, ParameterError


class PlainConfig:
    """What every configuration can do: be checked, go to and come from plain dicts and files."""

    def __init_subclass__(cls) -> None:
        declare(cls)

    def __post_init__(self) -> None:
        """Check every field by its declaration, and make it a plain value."""
        for name, declared in parameters_of(self).items():
            _set(self, name, declared.check(name, getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a dict of plain JSON values."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: _plain(getattr(self, field.name)) for field in fields}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a configuration from a dict; an unknown name is a ParameterError."""
        if not isinstance(values, dict):
            raise ParameterError(
                f"{cls.__name__} needs a table of names and values, got {values!r}"
            )
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        unknown = sorted(set(values) - set(known), key=str)
        if unknown:
            raise ParameterError(
                f"{cls.__name__} has no field {', '.join(map(repr, unknown))}; "
                f"its fields are {', '.join(known)}"
            )
        return cls(**values)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a configuration from a ``.toml`` or ``.json`` file.

        Raises:
            DataError: The file cannot be read, or is neither TOML nor JSON.
            ParameterError: A name or a value in it is not accepted.
        """
        return cls.from_dict(read_table(path))

    def to_file(self, path: str | Path) -> None:
        """Write the configuration to a ``.toml`` or ``.json`` file.

        TOML has no null: a None is left out, which reads back as the field's default.

        Raises:
            DataError: Another ending, the file cannot be written, or a None in a ``.toml`` file
                whose field has another default: it would come back as that.
        """
        values = self.to_dict()
        if Path(path).suffix == ".toml":
            for field in dataclasses.fields(self):  # type: ignore[arg-type]
                if values[field.name] is None and field.default is not None:
                    raise DataError(
                        f"{path}: TOML cannot hold {field.name} = None; write a .json file"
                    )
        write_table(path, values)


def read_table(path: str | Path) -> dict[str, Any]:
    """The table of names and values in a ``.toml`` or ``.json`` file.

    Raises:
        DataError: The file cannot be read, is neither TOML nor JSON, or holds no table.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors may put a byte-order mark first
        if path.suffix == ".toml":
            values = tomllib.loads(text)
        elif path.suffix == ".json":
            values = json.loads(text)
        else:
            raise DataError(f"{path}: a configuration file ends in .toml or .json")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid {path.suffix[1:].upper()} ({error})") from error
    if not isinstance(values, dict):
        raise ParameterError(f"{path}: a configuration needs a table of names and values")
    return values


def write_table(path: str | Path, values: dict[str, Any]) -> None:
    """Write plain values to a ``.toml`` or ``.json`` file; TOML leaves a None out.

    Raises:
        DataError: Another ending, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix == ".json":
        write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    elif path.suffix == ".toml":
        lines = [f"{k} = {_toml(v)}" for k, v in values.items() if v is not None]
        write_text(path, "\n".join(lines) + "\n")
    else:
        raise DataError(f"{path}: a configuration file ends in .toml or .json")


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _toml(value: Any) -> str:
    """A plain value as TOML: JSON, but for tables and the control character that JSON lets pass."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


SEED_MAX = 2**32 - 1
"""Largest seed: without 64-bit JAX a larger one would silently wrap around."""


BOUNDARIES = ("periodic", "neumann", "dirichlet")


DTYPES = ("float32", "float64")


SEED = Parameter(
    None, low=0, high=SEED_MAX, text="Seed, or none: a fresh one is drawn and reported"
)
BOUNDARY = Parameter(
    "periodic",
    choices=BOUNDARIES,
    text="periodic, neumann (no flux) or dirichlet (zero outside)",
)
DTYPE = Parameter("float32", choices=DTYPES, text="float32 or float64 (needs jax_enable_x64)")


def _set(config: Any, name: str, value: Any) -> None:
    object.__setattr__(config, name, value)
