"""Records: JSON round trips, keys that every reader accepts and that never collide."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pmcx.core.records import Box, ImageRef, Pair, from_json, to_json, wanted, webdataset_key

IDS = st.lists(st.text("aB1._-é /", min_size=1, max_size=6).map(lambda s: s.replace("/", ".")), min_size=1)


def test_keys_are_readable_and_safe() -> None:
    assert webdataset_key("PMC7654321.2/F2/b") == "PMC7654321-2_F2_b"
    assert webdataset_key("PMC7654321/F2/p1") == "PMC7654321_F2_p1"
    dotted = webdataset_key("PMC1/pone.0000217.g001/a")
    assert re.fullmatch(r"PMC1_pone-0000217-g001_a-[0-9a-f]{8}", dotted)


@given(st.lists(IDS.map("/".join), min_size=2, max_size=8, unique=True))
def test_different_ids_have_different_keys(ids: list[str]) -> None:
    keys = [webdataset_key(item) for item in ids]
    assert len(set(keys)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys)


def test_records_survive_json() -> None:
    box: Box = (0, 1, 20, 30)
    pair = Pair(
        id="A/F/p1",
        key="A_F_p1",
        article="A",
        figure="A/F",
        box=box,
        image=ImageRef(href="x"),
        caption="é (A)",
    )
    assert from_json(to_json(pair), Pair) == pair
    assert to_json(pair) == to_json(from_json(to_json(pair), Pair))


def test_wanted_looks_up_and_down_the_path() -> None:
    assert wanted("P/F1", ())
    assert wanted("P/F1", ("P/F1",)) and wanted("P/F1/a", ("P/F1",)) and wanted("P/F1", ("P/F1/a",))
    assert not wanted("P/F10", ("P/F1",)) and not wanted("P/F1/b", ("P/F1/a",))
