"""Results as JSON, which has no NaN and no infinity."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mfnjax._files import write_text


def plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts with None for every number that is not finite."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(content: dict[str, Any], path: str | Path | None) -> str:
    """The content as JSON; also written to ``path`` where one is given."""
    text = json.dumps(plain(content), indent=2, ensure_ascii=False)
    if path is not None:
        write_text(path, text + "\n")
    return text
