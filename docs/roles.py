"""A griffe extension: Sphinx roles and double backticks in docstrings become Markdown code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Roles(griffe.Extension):
    """Rewrites every docstring as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            text = re.sub(r":\w+:`~?(?:[\w.]+\.)?([\w()]+)`", r"`\1`", obj.docstring.value)
            # A line that ends in `::` announces an indented block of code.
            obj.docstring.value = re.sub(r"::\n\n(?=    )", ":\n\n", text)
