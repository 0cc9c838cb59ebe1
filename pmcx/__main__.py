"""``python -m pmcx`` is the ``pmcx`` command."""

from .core.cli import main

main()
