"""What a user may write to name PMC articles, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcx import UsageError
from pmcx.sources.pmc.select import Wanted, parse_id, read_inputs


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PMC123", Wanted(123)),
        ("123", Wanted(123)),
        ("pmc123.2", Wanted(123, 2)),
        (" PMC0123.10 ", Wanted(123, 10)),
        ("PMC123.0", None),
        ("PMC0", None),
        ("PMC", None),
        ("PMC12a", None),
        ("PMC123.", None),
        ("PMC123.1.2", None),
        ("-5", None),
        ("10.1000/x", None),
        ("٣٤", None),
        ("", None),
    ],
)
def test_ids(text: str, found: Wanted | None) -> None:
    assert parse_id(text) == found


@given(number=st.integers(1, 10**14), version=st.integers(0, 10**5))
def test_ids_read_back_what_they_print(number: int, version: int) -> None:
    assert parse_id(str(Wanted(number, version))) == Wanted(number, version)


def listed(tmp_path: Path, data: bytes, name: str = "ids.txt") -> list[str]:
    path = tmp_path / name
    path.write_bytes(data)
    return [str(each) for each in read_inputs([str(path)])]


def test_ids_and_files_keep_the_order_given(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("PMC9\nPMC2.1\n")
    found = list(read_inputs(["77", str(tmp_path / "ids.txt"), "PMC1"]))
    assert [str(each) for each in found] == ["PMC77", "PMC9", "PMC2.1", "PMC1"]


def test_a_list_of_one_a_line(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf# chosen by hand\r\n\r\nPMC5\r\n 6  # why not\r\nPMC7.2"
    assert listed(tmp_path, data) == ["PMC5", "PMC6", "PMC7.2"]


@pytest.mark.parametrize("name", ["ids.csv", "ids.csv.gz"])
def test_a_table_with_a_pmcid_column(tmp_path: Path, name: str) -> None:
    data = b'PMID,PMCID,Title\n1,PMC5,one\n2,,without\n3,PMC6,"three, with comma"\n'
    assert listed(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name) == ["PMC5", "PMC6"]


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("title\tpmcid", "x\tPMC5"),
        ("Title;PMC ID", "x;5"),
        ("File,Article Citation,Accession ID", "a.tar.gz,J Ex,PMC5"),
        ("pmcid", "PMC5"),
        ("PMCID,PMCID-ver", "PMC5,PMC5.1"),
    ],
)
def test_tables_of_other_hands(tmp_path: Path, header: str, rows: str) -> None:
    assert listed(tmp_path, f"{header}\n{rows}\n".encode()) == ["PMC5"]


def test_a_row_with_commas_nobody_quoted(tmp_path: Path) -> None:
    data = b"Journal Title,Year,PMCID,PMID\nFront, Gen, 2012,2012,PMC5,\nJ Ex,2013,PMC6,1\n"
    assert listed(tmp_path, data) == ["PMC5", "PMC6"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PMC5\nPMX6\n", r"ids.txt, line 2: 'PMX6' is no PMCID"),
        (b"PMC5 PMC6\n", r"ids.txt, line 1: 'PMC5 PMC6' is no PMCID"),
        (b"PMID,PMCID\n1,PMC5\n2,what\n", r"ids.txt, line 3: 'what' is no PMCID"),
        (b"PMCID,Year\n5,2012\nx,6,2012\n", r"ids.txt, line 3: 'x,6,2012' is no PMCID"),
        (b"PMID,Title\n1,x\n", r"without a column 'PMCID'; its first line has 'PMID', 'Title'"),
        (b"\x1f\x8b\x08\x00broken", r"not a readable list of PMCIDs"),
        (b"PMC5\n\xff\xfe\n", r"not a readable list of PMCIDs"),
    ],
)
def test_what_is_no_list_is_refused_by_name_and_line(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        listed(tmp_path, data)


def test_an_input_that_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a PMCID"):
        list(read_inputs([str(tmp_path / "absent.txt")]))


def test_an_empty_list_names_nothing(tmp_path: Path) -> None:
    assert listed(tmp_path, b"# none yet\n") == []
