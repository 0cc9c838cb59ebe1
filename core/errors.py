"""The error types of pmcx; each message says what was asked, what there is and what to do."""

from __future__ import annotations


class PmcxError(Exception):
    """Base of every error that pmcx raises on purpose."""


class UsageError(PmcxError):
    """The request itself is wrong (unknown name, bad option, missing path); exit code 2."""


class InputError(PmcxError):
    """An input is unusable as it is and stays so: broken XML, truncated image, archive bomb.

    Raised inside a stage it becomes ``Failure(kind="input")`` of that one item.
    """


class TransientError(PmcxError):
    """Something outside failed and may work later: a server, a network, a quota.

    Raised inside a stage it becomes ``Failure(kind="transient")``; ``pmcx retry`` takes these up.
    """


class PluginError(PmcxError):
    """A plugin is broken, misspelt, blocked, or breaks its contract."""


class OutputError(PmcxError):
    """The run folder cannot be written (disk full, read-only, quota); the run stops, resumable."""


class IdentityError(UsageError):
    """A run folder was made by another identity (stages, options, plan) than the one asked for."""
