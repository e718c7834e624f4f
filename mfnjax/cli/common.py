"""What the commands share: options from configurations, progress, tables, writing."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mfnjax._parameter import Parameter, parameters_of
from mfnjax._progress import ProgressBar as Progress  # noqa: F401
from mfnjax.cli.group import FailedRun, one_line
from mfnjax.errors import DataError, ParameterError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Function = TypeVar("Function", bound=Callable[..., Any])

SETTINGS: dict[str, Any] = {
    "token_normalize_func": lambda token: token.replace("_", "-"),
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}
"""Context settings of every command: ``--grid_size`` and ``--grid-size`` are one option."""


class SectionOption(click.Option):
    """An option that the help lists under a heading."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class SectionCommand(click.Command):
    """A command whose help lists its options under headings, in the order they are declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list a heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # An argument stands in the usage line, and the command's text says what it is.
            if record is not None and not isinstance(parameter, click.Argument):
                heading = getattr(parameter, "section", "Other options")
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Level(click.ParamType):
    """A threshold: a number, or the name of one."""

    name = "half|otsu|NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Parse the number."""
        if value in ("half", "otsu"):
            return str(value)
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither half, nor otsu, nor a number", param, ctx)


def option(*names: str, section: str, **settings: Any) -> Callable[[Function], Function]:
    """`click.option`, listed in the help under ``section``."""
    return click.option(*names, cls=SectionOption, section=section, **settings)


def config_options(
    config: type, *, section: str, skip: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """One option for each field of a configuration class, under the field's own name.

    An option that is not given is None, so that it does not override a configuration file.
    """

    def decorate(function: Function) -> Function:
        for declared in reversed(parameters_of(config).values()):
            if declared.name not in skip:
                function = _field_option(declared, section)(function)
        return function

    return decorate


def _field_option(declared: Parameter, section: str) -> Callable[[Function], Function]:
    name, kind, default = declared.name.replace("_", "-"), declared.kind, declared.default
    declaration = f"--{name}"
    if kind is bool:
        declaration, default = f"--{name}/--no-{name}", "on" if default else "off"
    # The default stands in the text: click's own would be taken for a value that was given.
    return option(
        declaration,
        declared.name,
        section=section,
        type=None if kind is bool else kind,
        default=None,
        help=f"{declared.words}.  [default: {'none' if default is None else default}]",
    )


def start_jax(*, x64: bool, cache: bool) -> None:
    """Import JAX with the precision and the compilation cache that were asked for."""
    # Importing JAX and tracing a program make a million objects that all stay: looking for
    # garbage among them again and again costs a tenth of a short command's time.
    gc.set_threshold(200_000, 20, 100)
    import jax

    gc.freeze()

    from mfnjax._cache import enable_compilation_cache

    if x64:
        jax.config.update("jax_enable_x64", True)
    if cache:
        enable_compilation_cache()


def require_extra(command: str, extra: str, *modules: str) -> None:
    """Say in one line how to install what a command needs beyond the core.

    Raises:
        ParameterError: A module is not installed.
    """
    from importlib.util import find_spec

    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ParameterError(f"{command} needs {', '.join(missing)}: pip install 'mfnjax[{extra}]'")


NETWORK_MODULES = ("flax", "optax", "orbax")
"""What the ``network`` extra brings."""


def console() -> Console:
    """The console of tables: as wide as the terminal, or 100 columns in a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 100
    return Console(highlight=False, markup=False, width=width)  # [x] in a file's name is no markup


def table(title: str, *columns: str, headers: bool = True) -> Table:
    """An empty table in the house style: first column left, the others right."""
    from rich import box
    from rich.table import Table

    result = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if headers else box.SIMPLE,
        show_header=headers,
        pad_edge=False,
    )
    for index, column in enumerate(columns):
        result.add_column(column, justify="left" if index == 0 else "right")
    return result


def check_suffix(option: str, path: str | None, suffixes: tuple[str, ...]) -> Path | None:
    """Refuse, before the run, a file that could not be written after it."""
    if path is None:
        return None
    from mfnjax._files import check_writable

    if Path(path).suffix.lower() not in suffixes:
        raise ParameterError(f"{option} {path}: the name must end in {' or '.join(suffixes)}")
    return check_writable(path)


@contextmanager
def writing() -> Iterator[None]:
    """What goes wrong while results are written is a failed run, not wrong use."""
    try:
        yield
    except (DataError, OSError) as error:
        raise FailedRun(one_line(error)) from error


@contextmanager
def named(names: Mapping[str, str]) -> Iterator[None]:
    """Errors that begin with the name of an argument begin with what the user wrote instead."""
    try:
        yield
    except (ParameterError, DataError) as error:
        name = re.split(r"\W", str(error), maxsplit=1)[0]
        if name not in names:
            raise
        raise type(error)(f"{names[name]}{str(error)[len(name) :]}") from error


def number(value: Any) -> str:
    """A number as people read it in a table; a dash for None and NaN."""
    if value is None or value != value:
        return "–"
    if isinstance(value, int):
        return str(value)
    return f"{value:.6g}"


def assignments_of(texts: tuple[str, ...], *, of_equation: bool = False) -> dict[str, Any]:
    """The values of ``--set NAME=VALUE …`` as a dict of numbers (of an equation, or of texts)."""
    parameters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        parsed: Any = value
        try:
            parsed = float(value)
        except ValueError:
            equals = equals if of_equation else ""
        if not equals or not name:
            raise ParameterError(f"--set {text}: NAME=VALUE with a number is expected")
        if name in parameters:
            raise ParameterError(f"--set {text}: {name} is given twice")
        parameters[name] = parsed
    return parameters
