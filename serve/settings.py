"""Settings from the environment, read once at the start and frozen."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from mfnjax.errors import MfnError

ENVIRONMENTS = ("dev", "staging", "prod")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("json", "text")
LARGEST_RUN = 256 * 256 * 1000


class SettingsError(MfnError, ValueError):
    """A setting cannot be read, or the settings together are not safe to start with."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server runs; each field is the variable ``MFN_`` + its name in capitals.

    Attributes:
        env: ``dev``, ``staging`` or ``prod``.
        api_keys: Accepted keys, from ``MFN_API_KEY`` and ``MFN_API_KEYS`` (comma-separated).
        api_key_required: Whether the endpoints that compute ask for a key; always in prod.
        rate_limit_enabled: Off in dev unless set, on elsewhere.
        rate_limit_requests: Requests a minute, by key, else by address.
        max_body_bytes: A larger body is a 413.
        max_cell_steps: Cells × steps of one run; more is a 400.
        queue_seconds: A request that would wait longer for its turn is a 503.
        deadline_seconds: A request not answered after so long is a 503.
        request_seconds: A request whose header has not come after so long, or whose body pauses for
            so long, is a 408.
        state_dir: Where jobs are kept; None is ``server`` in the user's own state folder of mfnjax,
            which all servers of that user share.
        cors_origins: Origins that browsers may call from; ``*`` is any.
        log_level: Least level that is written.
        log_format: ``json`` or ``text``.
        metrics_enabled: Whether ``/metrics`` exists.
        warm_grid_sizes: Grid sizes whose programs are compiled before ``/ready`` says so.
    """

    env: str = "dev"
    api_keys: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    api_key_required: bool = False
    rate_limit_enabled: bool = False
    rate_limit_requests: int = 100
    max_body_bytes: int = 32 * 2**20
    max_cell_steps: int = LARGEST_RUN
    queue_seconds: float = 5.0
    deadline_seconds: float = 30.0
    request_seconds: float = 10.0
    state_dir: Path | None = None
    cors_origins: tuple[str, ...] = ()
    log_level: str = "info"
    log_format: str = "json"
    metrics_enabled: bool = True
    warm_grid_sizes: tuple[int, ...] = (32, 64, 128, 256)

    def __post_init__(self) -> None:
        if self.api_key_required and not self.api_keys:
            raise SettingsError(
                f"MFN_API_KEY is not set, and MFN_ENV={self.env} asks for a key: set MFN_API_KEY "
                "or MFN_API_KEYS"
                if self.env == "prod"
                else "MFN_API_KEY_REQUIRED is true and neither MFN_API_KEY nor MFN_API_KEYS is set"
            )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: A value cannot be read (the message is one line and names it), or prod
                has no key.
        """
        variables = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for name, read in _READERS.items():
            text = variables.get(f"MFN_{name.upper()}", "").strip()
            if text:
                values[name] = read(f"MFN_{name.upper()}", text)
        env = values.get("env", "dev")
        single = variables.get("MFN_API_KEY", "").strip()
        keys = (single, *values.pop("api_keys", ())) if single else values.pop("api_keys", ())
        values["api_keys"] = tuple(dict.fromkeys(keys))
        if env == "prod":
            if values.get("api_key_required") is False:
                raise SettingsError("MFN_API_KEY_REQUIRED=false is not allowed with MFN_ENV=prod")
            values["api_key_required"] = True
        values.setdefault("api_key_required", bool(values["api_keys"]))
        values.setdefault("rate_limit_enabled", env != "dev")
        return cls(**values)


def _choice(*choices: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text.lower() not in choices:
            raise SettingsError(f"{name} must be one of {', '.join(choices)}; got {text!r}")
        return text.lower()

    return read


def _boolean(name: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"{name} must be true or false, got {text!r}")


def _integer(low: int, high: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise SettingsError(f"{name} must be an integer from {low} to {high}, got {text!r}")
        return value

    return read


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 86_400:
        raise SettingsError(f"{name} must be a number of seconds in (0, 86400], got {text!r}")
    return value


def _items(name: str, text: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(",") if item.strip())
    if not items:
        raise SettingsError(f"{name} must be a comma-separated list, got {text!r}")
    return items


def _keys(name: str, text: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(",") if item.strip())
    if not items:  # the value is not repeated: it may hold what was meant as a key
        raise SettingsError(f"{name} must be a comma-separated list of keys")
    return items


def _grid_sizes(name: str, text: str) -> tuple[int, ...]:
    if text.lower() == "none":
        return ()
    return tuple(_integer(8, 256)(name, item) for item in _items(name, text))


def _path(name: str, text: str) -> Path:
    return Path(text).expanduser().absolute()


_READERS: dict[str, Callable[[str, str], Any]] = {
    "env": _choice(*ENVIRONMENTS),
    "api_keys": _keys,
    "api_key_required": _boolean,
    "rate_limit_enabled": _boolean,
    "rate_limit_requests": _integer(1, 10**9),
    "max_body_bytes": _integer(1024, 2**40),
    "max_cell_steps": _integer(64, 2**40),
    "queue_seconds": _seconds,
    "deadline_seconds": _seconds,
    "request_seconds": _seconds,
    "state_dir": _path,
    "cors_origins": _items,
    "log_level": _choice(*LOG_LEVELS),
    "log_format": _choice(*LOG_FORMATS),
    "metrics_enabled": _boolean,
    "warm_grid_sizes": _grid_sizes,
}
