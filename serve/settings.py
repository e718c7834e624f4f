"""Settings from the environment, read once at the start and frozen."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, final

from mfnjax.errors import MfnError

LARGEST_RUN = 256 * 256 * 1000


class SettingsError(MfnError, ValueError):
    """A setting cannot be read, or the settings together are not safe to start with."""


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
    if not items:  # the value is not repeated: it may hold what was meant as a key
        raise SettingsError(f"{name} must be a comma-separated list")
    return items


def _grid_sizes(name: str, text: str) -> tuple[int, ...]:
    if text.lower() == "none":
        return ()
    return tuple(_integer(8, 256)(name, item) for item in _items(name, text))


def _path(name: str, text: str) -> Path:
    return Path(text).expanduser().absolute()


def _setting(
    default: Any, read: Callable[[str, str], Any], *, secret: bool = False, variable: str = ""
) -> Any:
    """A field, and how it is read: from the name and the text of its variable."""
    metadata = {"read": read, "variable": variable}
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server runs; each field is the variable ``MFN_`` + its name in capitals.

    ``imports`` is ``MFN_IMPORT``.

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
        imports: Modules and files (``….py``) with models of the user's own.
        warm_grid_sizes: Grid sizes whose programs are compiled before ``/ready`` says so.
    """

    env: str = _setting("dev", _choice("dev", "staging", "prod"))
    api_keys: tuple[str, ...] = _setting((), _items, secret=True)
    api_key_required: bool = _setting(False, _boolean)
    rate_limit_enabled: bool = _setting(False, _boolean)
    rate_limit_requests: int = _setting(100, _integer(1, 10**9))
    max_body_bytes: int = _setting(32 * 2**20, _integer(1024, 2**40))
    max_cell_steps: int = _setting(LARGEST_RUN, _integer(64, 2**40))
    queue_seconds: float = _setting(5.0, _seconds)
    deadline_seconds: float = _setting(30.0, _seconds)
    request_seconds: float = _setting(10.0, _seconds)
    state_dir: Path | None = _setting(None, _path)  # noqa: RUF009 (None is no mutable default)
    cors_origins: tuple[str, ...] = _setting((), _items)
    log_level: str = _setting("info", _choice("debug", "info", "warning", "error"))
    log_format: str = _setting("json", _choice("json", "text"))
    metrics_enabled: bool = _setting(True, _boolean)
    imports: tuple[str, ...] = _setting((), _items, variable="MFN_IMPORT")
    warm_grid_sizes: tuple[int, ...] = _setting((32, 64, 128, 256), _grid_sizes)

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
        for field in dataclasses.fields(cls):
            variable = field.metadata["variable"] or f"MFN_{field.name.upper()}"
            if text := variables.get(variable, "").strip():
                values[field.name] = field.metadata["read"](variable, text)
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


_OTHERS = ("MFN_API_KEY", "MFN_BASELINES", "MFN_LOADTEST_", "MFN_SHARED_DATA")
"""Variables that are known, and no field of `Settings` (or begin like one)."""


def remarks(settings: Settings, environ: Mapping[str, str], host: str) -> Iterator[str]:
    """What whoever starts the server should know, in a sentence each.

    Args:
        settings: What was read.
        environ: Of what.
        host: Address that is listened on.
    """
    known = [
        field.metadata["variable"] or f"MFN_{field.name.upper()}"
        for field in dataclasses.fields(Settings)
    ]
    for name in environ:
        if name.startswith("MFN_") and name not in known and not name.startswith(_OTHERS):
            near = difflib.get_close_matches(name, [*known, "MFN_API_KEY"], 1)
            hint = f": did you mean {near[0]}?" if near else ""
            yield f"there is no setting {name}{hint}"
    if not settings.api_key_required and not ipaddress.ip_address(host).is_loopback:
        yield (
            f"listening on {host} without a key: whoever reaches this address may use the server "
            "(MFN_ENV=prod and MFN_API_KEY ask for one)"
        )
