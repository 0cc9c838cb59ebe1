"""The tar writer against the standard library and the tar command's rules; the index against damage."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmcx.core.errors import InputError
from pmcx.exporters.tar import BLOCK, MAX_MEMBER, TarWriter, header, read_samples, tar_index

NAMES = st.text(min_size=1, max_size=300).filter(lambda name: "\0" not in name and name.strip("/"))


def write(path: Path, members: list[tuple[str, bytes]]) -> None:
    writer = TarWriter(path)
    for name, data in members:
        writer.add(name, data)
    writer.finish(rows=len(members))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=1600)), max_size=6))
def test_standard_library_reads_what_we_write(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("tar") / "a.tar"
    write(path, members)
    with tarfile.open(path, "r:") as archive:
        infos = archive.getmembers()
        assert [info.size for info in infos] == [len(data) for _, data in members]
        assert [info.name for info in infos] == [name.rstrip("/") for name, _ in members]
        for info, (_, data) in zip(infos, members, strict=True):
            if info.isreg():
                stored = archive.extractfile(info)
                assert stored is not None
                assert stored.read() == data


def test_header_equals_the_standard_librarys_up_to_device_numbers() -> None:
    info = tarfile.TarInfo("PMC7450322-1_F3_b.json")
    info.size, info.mode, info.mtime = 12345, 0o644, 0
    ours = header(info.name, info.size)
    theirs = info.tobuf(tarfile.USTAR_FORMAT)
    assert len(ours) == BLOCK
    assert ours[:148] == theirs[:148]  # name to mtime
    assert ours[156:329] == theirs[156:329]  # type to group name
    assert tarfile.TarInfo.frombuf(ours, "utf-8", "strict").chksum == int(ours[148:154], 8)


def test_members_carry_no_owner_and_no_time(tmp_path: Path) -> None:
    write(tmp_path / "a.tar", [("a.jpg", b"x"), ("é" * 90 + ".json", b"{}")])
    with tarfile.open(tmp_path / "a.tar") as archive:
        for info in archive:
            assert (info.mode, info.uid, info.gid, info.mtime) == (0o644, 0, 0, 0)
            assert (info.uname, info.gname) == ("", "")


def test_names_too_long_for_ustar_get_a_pax_header() -> None:
    assert len(header("k" * 100, 1)) == BLOCK
    assert len(header("k" * 101, 1)) == 3 * BLOCK
    assert len(header("naïve.jpg", 1)) == 3 * BLOCK
    for length in range(40, 60):  # the length of a record counts its own digits: 99 to 100 and around
        name = "ü" * length
        record = header(name, 0)[BLOCK : 2 * BLOCK].rstrip(b"\0")
        assert record == b"%d path=%s\n" % (len(record), name.encode())
    for name in ("", "a\0b"):
        with pytest.raises(ValueError, match="cannot name"):
            header(name, 1)


def test_size_limit_of_the_header() -> None:
    assert tarfile.TarInfo.frombuf(header("a", MAX_MEMBER - 1), "utf-8", "strict").size == MAX_MEMBER - 1
    with pytest.raises(ValueError, match="limit"):
        header("a", MAX_MEMBER)


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_index_gives_the_offsets_of_anybodys_archive(tmp_path: Path, style: int) -> None:
    path = tmp_path / "a.tar"
    names = ["d/", "d/a.b.jpg", "c.json"]
    names += ["é" * 70 + ".txt", "long" * 40 + ".jpg"] if style != tarfile.USTAR_FORMAT else []
    with tarfile.open(path, "w", format=style, pax_headers={"comment": "global"}) as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = 0 if info.isdir() else 511 + number
            archive.addfile(info, io.BytesIO(bytes([number]) * info.size))
    raw = path.read_bytes()
    entries = list(tar_index(path))
    assert [entry.name for entry in entries] == names[1:]
    for number, entry in enumerate(entries, start=1):
        assert raw[entry.offset : entry.offset + entry.size] == bytes([number]) * (511 + number)
    assert (entries[0].key, entries[0].suffix) == ("d/a", "b.jpg")


def test_index_reads_headers_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tar"
    write(path, [(f"k{i}.jpg", b"\xff" * 300_000) for i in range(5)])
    read = 0
    whole_open = Path.open

    def counting_open(self: Path, *args: object, **kwargs: object) -> object:
        file = whole_open(self, *args, **kwargs)  # type: ignore[arg-type]

        class Counting:
            def __enter__(self) -> Counting:
                return self

            def __exit__(self, *exc: object) -> None:
                file.close()

            def seek(self, *where: int) -> int:
                return int(file.seek(*where))

            def read(self, size: int) -> bytes:
                nonlocal read
                read += size
                return bytes(file.read(size))

        return Counting()

    monkeypatch.setattr(Path, "open", counting_open)
    assert len(list(tar_index(path))) == 5
    assert read == 6 * BLOCK


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:9216], "end mark"),  # the writer was killed between two members
        (lambda raw: raw[:1200], "cut short"),
        (lambda raw: raw[:1700], "damaged"),
        (lambda raw: raw[:3000], "cut short"),
        (lambda raw: raw[:1536] + b"\xff" + raw[1537:], "damaged"),
        (lambda raw: b"", "end mark"),
        (lambda raw: b"no archive at all" * 100, "damaged"),
    ],
)
def test_damage_is_an_input_error_never_a_shorter_archive(
    tmp_path: Path, damage: object, message: str
) -> None:
    path = tmp_path / "a.tar"
    write(path, [("a.jpg", b"1" * 1000), ("b.jpg", b"2" * 7000)])
    raw = path.read_bytes()
    assert callable(damage)
    path.write_bytes(damage(raw))
    with pytest.raises(InputError, match=message):
        list(tar_index(path))


def test_hostile_sizes_do_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    block = bytearray(header("a", 0))
    block[124:136] = b"\xff" * 11 + b"\x00"  # base 256, negative: a reader that seeks back never ends
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + b"\0" * 1024)
    with pytest.raises(InputError, match="cut short"):
        list(tar_index(path))


def test_samples_are_runs_of_members_with_one_key(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write(path, [("a.jpg", b"1"), ("a.json", b"2"), ("b.jpg", b"3"), ("b.x.json", b"4")])
    assert list(read_samples(path)) == [
        ("a", {"jpg": b"1", "json": b"2"}),
        ("b", {"jpg": b"3", "x.json": b"4"}),
    ]
    write(path, [("a.jpg", b"1"), ("a.jpg", b"2")])
    with pytest.raises(InputError, match="two members"):
        list(read_samples(path))
