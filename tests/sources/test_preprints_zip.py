"""ZIP archives read by ranges: what is fetched, what is believed, what is refused."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable

import pytest
from standins.meca import make_meca

from pmcx import InputError
from pmcx.core.net.client import NotFoundError
from pmcx.sources.packages import Limits
from pmcx.sources.preprints.remote_zip import TAIL_BYTES, WHOLE_BYTES, Check, RemoteZip


class Remote:
    """An object elsewhere: counts ranges, and asks again while ``check`` objects, as the client does.

    ``garble`` may change what a range gives; it is told the range and how often that was asked for.
    """

    def __init__(self, data: bytes, garble: Callable[[int, int, int, bytes], bytes] | None = None) -> None:
        self.data, self.garble = data, garble
        self.ranges: list[tuple[int, int]] = []
        self.cache: dict[tuple[int, int], bytes] = {}

    def __call__(self, start: int, stop: int, check: Check, fresh: bool) -> bytes:
        assert 0 <= start < stop <= len(self.data)
        if (start, stop) in self.cache and not fresh:
            return self.cache[start, stop]
        while True:
            nth = self.ranges.count((start, stop))
            self.ranges.append((start, stop))
            data = self.data[start:stop]
            if self.garble is not None:
                data = self.garble(start, stop, nth, data)
            if not check(data):
                self.cache[start, stop] = data
                return data

    @property
    def bytes(self) -> int:
        return sum(stop - start for start, stop in self.ranges)


def opened(data: bytes, **limits: int) -> tuple[RemoteZip, Remote]:
    remote = Remote(data)
    return RemoteZip(len(data), remote, Limits(**limits)), remote  # type: ignore[arg-type]


def zipped(members: dict[str, bytes], comment: bytes = b"", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
        file.comment = comment
    return out.getvalue()


NOISE = random.Random(0).randbytes(300_000)
LARGE = {"content/a.tif": NOISE, "content/a.xml": b"<article/>" * 3000, "manifest.xml": b"<manifest/>"}


def test_only_the_end_and_the_members_asked_for_are_fetched() -> None:
    archive = make_meca("10.1101/2026.01.14.700001", figures=3, size=1.5)
    package, remote = opened(archive.data)
    xml = next(name for name in package.names if name.startswith("content/") and name.endswith(".xml"))
    assert package.read("manifest.xml").startswith(b"<?xml")
    assert package.read("transfer.xml").startswith(b"<?xml")
    assert len(remote.ranges) == 1 and remote.bytes == TAIL_BYTES
    assert b"<article" in package.read(xml)
    assert len(remote.ranges) == 2
    assert remote.bytes <= TAIL_BYTES + package.packed(xml) + 200 < len(archive.data) / 10
    with zipfile.ZipFile(io.BytesIO(archive.data)) as plain:
        assert {n: package.read(n) for n in package.names} == {
            n: plain.read(n) for n in plain.namelist() if not n.endswith("/")
        }


def test_a_small_archive_is_one_request() -> None:
    members = {"manifest.xml": b"<manifest/>", "content/a.xml": b"<article/>" * 300}
    data = zipped(members)
    assert len(data) < WHOLE_BYTES
    package, remote = opened(data)
    assert {name: package.read(name) for name in package.names} == members
    assert remote.ranges == [(0, len(data))]


@pytest.mark.parametrize("comment", [b"x" * 100, b"PK" * 20_000])
def test_a_comment_moves_the_directory(comment: bytes) -> None:
    package, _ = opened(zipped(LARGE, comment))
    assert package.read("content/a.tif") == NOISE


def test_a_directory_longer_than_the_first_read() -> None:
    members = {f"content/supplements/file_{n:05d}.txt": b"%d" % n for n in range(2000)}
    data = zipped({**LARGE, **members})
    package, remote = opened(data)
    assert len(package.names) == 2003
    assert package.read("content/supplements/file_01234.txt") == b"1234"
    assert package.read("content/a.xml") == LARGE["content/a.xml"]
    assert len(remote.ranges) <= 4


def test_zip64() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in LARGE.items():
            with file.open(name, "w", force_zip64=True) as member:
                member.write(content)
    data = bytearray(out.getvalue())
    end = data.rfind(b"PK\5\6")
    count, _, size, start = struct.unpack_from("<HHII", data, end + 8)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    classic = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    package, _ = opened(bytes(data[:end]) + record + locator + classic)
    assert {name: package.read(name) for name in package.names} == LARGE


def test_unsafe_names_are_no_members() -> None:
    package, _ = opened(
        zipped({"../../outside.xml": b"1", "/absolute.xml": b"2", "__MACOSX/._a.xml": b"3", "a.xml": b"4"})
    )
    assert package.names == ["a.xml"] and package.ignored == 3
    with pytest.raises(InputError, match="outside"):
        package.read("../../outside.xml")


@pytest.mark.parametrize("cut", [10, 1000, 200_000])
def test_a_truncated_archive_is_an_input_error(cut: int) -> None:
    package, remote = opened(zipped(LARGE)[:-cut])
    with pytest.raises(InputError):
        package.read("content/a.xml")
    assert len(remote.ranges) < 20


def test_what_is_no_zip_is_an_input_error() -> None:
    package, _ = opened(b"<html><body>Not an archive</body></html>" * 5000)
    with pytest.raises(InputError, match="ZIP directory"):
        _ = package.names


def test_sizes_are_limited() -> None:
    bomb = zipped({"content/a.xml": b"<article/>", "content/bomb.tif": bytes(3 << 20)})
    package, _ = opened(bomb, max_member_bytes=1 << 20)
    assert package.read("content/a.xml") == b"<article/>"
    with pytest.raises(InputError, match="max_member_bytes"):
        package.read("content/bomb.tif")
    package, _ = opened(bomb, max_archive_bytes=1 << 20)
    with pytest.raises(InputError, match="max_archive_bytes"):
        _ = package.names
    package, remote = opened(zipped({f"{n}.txt": b"" for n in range(3000)}), max_members=50)
    with pytest.raises(InputError, match="max_members"):
        _ = package.names
    assert remote.bytes <= 4 * TAIL_BYTES  # not the directory that it states


def test_a_size_that_lies_is_not_believed() -> None:
    data = bytearray(zipped({**LARGE, "b.xml": bytes(200_000)}))
    place = data.rfind(b"b.xml") - 46
    struct.pack_into("<I", data, place + 24, 500)  # the directory says 500 bytes
    package, _ = opened(bytes(data))
    with pytest.raises(InputError, match=r"b\.xml"):
        package.read("b.xml")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packing_is_refused(method: int) -> None:
    package, _ = opened(zipped({"a.xml": b"<article/>"}, method=method))
    with pytest.raises(InputError, match="not supported"):
        package.read("a.xml")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def test_bytes_garbled_on_the_way_are_fetched_again() -> None:
    remote = Remote(zipped(LARGE), lambda start, stop, nth, data: data if nth else flipped(data, 100))
    package = RemoteZip(len(remote.data), remote, Limits())
    assert {name: package.read(name) for name in package.names} == LARGE


@pytest.mark.parametrize("at", range(1, 300, 7))
def test_a_garbled_directory_never_passes_for_another(at: int) -> None:
    """One bit of the directory wrong at the first read: every member is right or is asked for again."""
    data = zipped(LARGE)
    remote = Remote(data, lambda start, stop, nth, part: part if nth else flipped(part, len(part) - at))
    package = RemoteZip(len(data), remote, Limits())
    for name, content in LARGE.items():
        assert package.read(name) == content


def test_damage_of_the_archive_itself_costs_its_member_only() -> None:
    data = flipped(zipped(LARGE), 1000)
    package, remote = opened(data)
    with pytest.raises(InputError, match=r"a\.tif"):
        package.read("content/a.tif")
    assert len(remote.ranges) <= 6  # three times the same, and the directory once more
    assert package.read("content/a.xml") == LARGE["content/a.xml"]


def test_damage_near_the_end_costs_its_member_only() -> None:
    data = zipped({"a.xml": b"<article/>", "note.txt": b"plain words " * 20}, method=zipfile.ZIP_STORED)
    package, _ = opened(flipped(data, data.find(b"plain words")))
    assert package.read("a.xml") == b"<article/>"
    with pytest.raises(InputError, match=r"note\.txt"):
        package.read("note.txt")


def test_an_object_that_is_gone_is_asked_for_once() -> None:
    calls = []

    def gone(start: int, stop: int, check: Check, fresh: bool) -> bytes:
        calls.append(start)
        raise NotFoundError("not found")

    package = RemoteZip(1 << 20, gone, Limits())
    with pytest.raises(NotFoundError):
        package.read("a.xml")
    assert len(calls) == 1
