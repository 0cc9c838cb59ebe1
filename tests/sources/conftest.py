"""Stand-ins for the tests of network sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from standins.pmc import PmcBucket
from standins.s3 import S3StandIn


@pytest.fixture
def s3() -> Iterator[S3StandIn]:
    """A running S3 without faults."""
    with S3StandIn() as standin:
        yield standin


@pytest.fixture
def bucket(s3: S3StandIn) -> PmcBucket:
    """PubMed Central's bucket, still empty."""
    return PmcBucket(s3)
