"""The built-in splitter passes the suite that third parties use."""

from __future__ import annotations

from pmcx.splitters.rules import RulesSplitter
from pmcx.testing import SplitterSuite


class TestRules(SplitterSuite):
    make = RulesSplitter
