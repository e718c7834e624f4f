"""Libraries of the optional extras: imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from mfnjax.errors import ParameterError


def extra(module: str, extra: str, what: str) -> Any:
    """Import a module of an extra.

    Args:
        module: Its name.
        extra: The extra that brings it.
        what: What needs it, the subject of the error.

    Raises:
        ParameterError: It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = (error.name or module).split(".")[0]
        raise ParameterError(
            f'{what} needs {library}, which is not installed: pip install "mfnjax[{extra}]"'
        ) from error
