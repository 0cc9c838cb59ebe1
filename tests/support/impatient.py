"""A plugin that makes workers tell of their waits more often, so that tests need not wait for it."""

from __future__ import annotations

from pmcx.core.fetching import Patience

Patience.EVERY = 0.2
