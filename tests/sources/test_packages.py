"""Archives and folders as hostile input: names, links, sizes, bombs, damage."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import threading
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from pmcx.core.errors import InputError, TransientError
from pmcx.sources import archives
from pmcx.sources.archives import Archive, TarArchive, open_archive
from pmcx.sources.packages import (
    FolderReader,
    Limits,
    folder_names,
    guarded,
    guarded_items,
    read_file,
    safe_name,
)

KINDS = ["zip", "tar", "tar.gz"]
NOISE = random.Random(1).randbytes(3000)


def zip_bytes(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return out.getvalue()


def tar_bytes(members: list[tuple[str | tarfile.TarInfo, bytes]], packed: bool) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0) if packed else out.getvalue()


def make(folder: Path, kind: str, members: list[tuple[str, bytes]]) -> Path:
    path = folder / f"package.{kind}"
    data = zip_bytes(members) if kind == "zip" else tar_bytes([*members], packed=kind == "tar.gz")
    path.write_bytes(data)
    return path


def everything(path: Path, limits: Limits | None = None) -> tuple[Archive, dict[str, bytes | InputError]]:
    """All members of an archive, as the folder source reads them."""
    with guarded(path.name):
        archive = open_archive(path, limits or Limits())
    return archive, dict(guarded_items(path.name, archive.members(lambda name: True)))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("a/b.xml", "a/b.xml"),
        ("./a//b.xml", "a/b.xml"),
        ("a\\b.xml", "a/b.xml"),
        ("caf\u00e9/fig 1.jpg", "caf\u00e9/fig 1.jpg"),
        ("../b.xml", None),
        ("a/../../b.xml", None),
        ("a\\..\\..\\b.xml", None),
        ("/etc/passwd", None),
        ("\\\\server\\share", None),
        ("C:\\b.xml", None),
        ("c:b.xml", None),
        ("a\0b", None),
        ("a\nb", None),
        ("a\udcffb", None),
        ("__MACOSX/a/._b.xml", None),
        ("a/.hidden/b", None),
        ("a/Thumbs.db", None),
        ("", None),
        ("/", None),
        (".", None),
    ],
)
def test_safe_names(raw: str, name: str | None) -> None:
    assert safe_name(raw) == name


@pytest.mark.parametrize("kind", KINDS)
def test_members_come_as_written(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, kind, [("p/b.jpg", NOISE), ("p/a.xml", b"<a/>"), ("p/empty", b"")])
    archive, found = everything(path)
    assert found == {"p/a.xml": b"<a/>", "p/b.jpg": NOISE, "p/empty": b""}
    assert sorted(archive.names) == sorted(found) and archive.ignored == 0
    reader = archive.reader(["p/b.jpg", "p/b.jpg", "p/empty"])
    assert [reader.read(name) for name in ("p/b.jpg", "p/empty", "p/b.jpg")] == [NOISE, b"", NOISE]
    reader.close()
    assert reader.read("p/a.xml") == b"<a/>"
    with pytest.raises(InputError, match=r"nothing\.jpg"):
        reader.read("nothing.jpg")
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_are_not_listed_and_not_readable(kind: str, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    names = [
        "../evil.jpg",
        "/abs.jpg",
        "a/../../evil.jpg",
        "..\\evil.jpg",
        "C:\\evil.jpg",
        "__MACOSX/._a.xml",
    ]
    path = make(inside, kind, [*((name, b"x") for name in names), ("good.jpg", b"y")])
    archive, found = everything(path)
    assert found == {"good.jpg": b"y"}
    assert archive.ignored == len(names)
    reader = archive.reader([])
    for name in names:
        with pytest.raises(InputError):
            reader.read(name)
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["in", path.name]


@pytest.mark.parametrize("packed", [False, True])
def test_links_and_devices_in_a_tar_are_left_out(packed: bool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    members: list[tuple[str | tarfile.TarInfo, bytes]] = [("a.xml", b"<a/>")]
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)
    for number, kind in enumerate(kinds):
        info = tarfile.TarInfo(f"{number}.jpg")
        info.type = kind
        info.linkname = str(secret)
        members.append((info, b""))
    path = tmp_path / "x.tar.gz"
    if not packed:
        path = path.with_suffix("")
    path.write_bytes(tar_bytes(members, packed))
    archive, found = everything(path)
    assert found == {"a.xml": b"<a/>"} and archive.ignored == len(kinds)


def test_links_in_a_zip_are_left_out(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        link = zipfile.ZipInfo("link.jpg")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("a.xml", "<a/>")
    path = tmp_path / "x.zip"
    path.write_bytes(out.getvalue())
    archive, found = everything(path)
    assert found == {"a.xml": b"<a/>"} and archive.ignored == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", KINDS)
def test_first_of_two_members_of_one_name(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, kind, [("a.jpg", b"one"), ("a.jpg", b"two"), ("A.jpg", b"three")])
    archive, found = everything(path)
    assert found == {"a.jpg": b"one", "A.jpg": b"three"}
    assert archive.reader(["a.jpg"]).read("a.jpg") == b"one"


def test_back_slashes_of_windows_archives(tmp_path: Path) -> None:
    _, found = everything(make(tmp_path, "zip", [("content\\", b""), ("content\\a.xml", b"<a/>")]))
    assert found == {"content/a.xml": b"<a/>"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (Limits(max_members=2), "max_members=2"),
        (Limits(max_archive_bytes=5000), "max_archive_bytes=5000"),
    ],
)
def test_archive_limits_name_the_option(kind: str, limits: Limits, option: str, tmp_path: Path) -> None:
    path = make(tmp_path, kind, [("a.xml", b"<a/>"), ("b.jpg", NOISE), ("c.jpg", NOISE)])
    assert len(everything(path)[1]) == 3
    with pytest.raises(InputError, match=rf"package\.{kind}: .*{option}"):
        everything(path, limits)


@pytest.mark.parametrize("kind", KINDS)
def test_member_limits_cost_the_member_alone(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path, kind, [("a.xml", b"<a/>"), ("b.xml", b"<b>" + NOISE), ("c.jpg", NOISE)])
    archive, found = everything(path, Limits(max_member_bytes=2999, max_xml_bytes=3000))
    assert found["a.xml"] == b"<a/>"
    with pytest.raises(InputError, match=r"b\.xml.*max_xml_bytes=3000"):
        raise found["b.xml"]  # type: ignore[misc]
    with pytest.raises(InputError, match=r"c\.jpg.*max_member_bytes=2999"):
        archive.reader(["c.jpg"]).read("c.jpg")


def bomb_stream(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    out = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*out, packer.flush()])


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bombs_are_refused_by_ratio_without_being_unpacked(kind: str, tmp_path: Path) -> None:
    """300 MiB of zeros in 300 KB: stated in a ZIP's directory, met on the way in a tar.gz."""
    path = tmp_path / f"bomb.{kind}"
    size = 300 << 20
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.jpg", "w") as member:
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    else:
        info = tarfile.TarInfo("a.jpg")
        info.size = size
        head = gzip.compress(info.tobuf())
        path.write_bytes(head + bomb_stream(size + 1024))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="max_ratio=400"):
            everything(path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_without_any_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes([("a.xml", b"<a/>")], packed=False)) + bomb_stream(300 << 20))
    with pytest.raises(InputError, match="max_ratio"):
        everything(path)


def test_a_zip_member_that_holds_more_than_it_states(tmp_path: Path) -> None:
    """The directory says 10 bytes; the deflate stream would give 64 MiB."""
    data = bytearray(zip_bytes([("a.jpg", bytes(64 << 20))]))
    central = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, central + 24, 10)
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        _, found = everything(path)
        assert isinstance(found["a.jpg"], InputError)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_zip_member_that_holds_less_than_it_states(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a.jpg", NOISE)], zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 24, 100_000)
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    _, found = everything(path)
    assert isinstance(found["a.jpg"], InputError)


def test_a_zip_directory_beyond_the_member_limit_is_not_even_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path, "zip", [(f"{'x' * 200}{number}.jpg", b"") for number in range(60)])

    def forbidden(*args: object) -> None:
        raise AssertionError("the directory was parsed")

    monkeypatch.setattr(zipfile, "ZipFile", forbidden)
    with pytest.raises(InputError, match="max_members=10"):
        everything(path, Limits(max_members=10))


def test_zip64_and_comments(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file, file.open("a.xml", "w", force_zip64=True) as member:
        member.write(b"<a/>")
    path = tmp_path / "x.zip"
    path.write_bytes(out.getvalue())
    assert everything(path)[1] == {"a.xml": b"<a/>"}
    with zipfile.ZipFile(path, "a") as file:
        file.comment = b"a comment"
    assert everything(path)[1] == {"a.xml": b"<a/>"}


def test_encrypted_and_oddly_packed_members_say_so(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a.jpg", NOISE), ("b.xml", b"<b/>")]))
    central = data.index(b"PK\1\2")
    data[central + 8] |= 1
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    _, found = everything(path)
    assert "a.jpg: is encrypted" in str(found["a.jpg"]) and found["b.xml"] == b"<b/>"
    path.write_bytes(zip_bytes([("a.jpg", NOISE)], zipfile.ZIP_BZIP2))
    assert "ZIP method 12" in str(everything(path)[1]["a.jpg"])


def test_one_damaged_zip_member_costs_itself_alone(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a.jpg", NOISE), ("b.xml", b"<b/>")], zipfile.ZIP_STORED))
    data[data.index(NOISE[:20]) + 5] ^= 0xFF
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    _, found = everything(path)
    assert "a.jpg" in str(found["a.jpg"]) and "CRC" in str(found["a.jpg"]) and found["b.xml"] == b"<b/>"


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_archives_are_refused_wherever_they_break_off(kind: str, tmp_path: Path) -> None:
    whole = make(tmp_path, kind, [("a.xml", b"<a/>"), ("b.jpg", NOISE), ("c.jpg", NOISE[::-1])]).read_bytes()
    content = len(whole) if kind != "tar" else whole.rindex(NOISE[::-1]) + len(NOISE)
    cut = tmp_path / f"cut.{kind}"
    for length in {*range(0, content, 97), content - 1, *range(0, content, 512)}:
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"cut\.{kind}: "):
            everything(cut)


def test_a_tar_with_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    data = bytearray(tar_bytes([("a.xml", b"<a/>"), ("b.jpg", NOISE)], packed=False))
    data[1024 + 100] ^= 0xFF  # the second header
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged tar"):
        everything(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_tar_header_that_claims_gigabytes_is_not_read(packed: bool, tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = 4 << 30
    data = info.tobuf() + bytes(4096)
    path = tmp_path / ("x.tar.gz" if packed else "x.tar")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(InputError, match="a header of 4294967296 bytes"):
        everything(path)


def test_a_tar_member_of_negative_size_does_not_loop(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.jpg")
    header = bytearray(info.tobuf())
    header[124:136] = b"\xff" * 11 + b"\x00"  # base 256: minus 256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "x.tar"
    path.write_bytes(bytes(header) + bytes(10_240))
    with pytest.raises(InputError):
        everything(path)


def test_endless_long_names_do_not_recurse_to_death(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 5
    path = tmp_path / "x.tar"
    path.write_bytes((info.tobuf() + b"name\0".ljust(512, b"\0")) * 5000)
    with pytest.raises(InputError):
        everything(path)


def test_sparse_members_are_left_out(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.type = tarfile.GNUTYPE_SPARSE
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes([(info, b""), ("b.jpg", b"b")], packed=False))
    archive, found = everything(path)
    assert found == {"b.jpg": b"b"} and archive.ignored == 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.zip", b"", "the file is empty"),
        ("x.tar.gz", b"<!DOCTYPE html><html>404</html>", "not a ZIP, tar or tar.gz archive, begins"),
        ("x.zip", b"PK", "no directory at its end"),
        ("x.zip", b"PK\x03\x04" + bytes(100), "no directory at its end"),
        ("x.tar", b"\xff" * 2000, "x.tar: "),
        ("x.tgz", b"\x1f\x8b", "x.tgz: "),
        ("x.tgz", gzip.compress(b""), "x.tgz: "),
        ("x.tgz", gzip.compress(b"<html>" * 200), "x.tgz: "),
    ],
)
def test_what_is_no_archive(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        everything(path)
    assert str(tmp_path) not in str(error.value)


def test_kind_comes_from_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(zip_bytes([("a.xml", b"<a/>")]))
    assert everything(path)[1] == {"a.xml": b"<a/>"}


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"x\.zip: not a regular file"):
        everything(path)


def test_messages_hold_no_path_of_the_machine_and_passing_errors_are_transient(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^here: No such file") as error, guarded("here"):
        read_file(tmp_path / "nothing", Limits())
    assert str(tmp_path) not in str(error.value)
    with pytest.raises(TransientError, match=r"^here: Input/output"), guarded("here"):
        raise OSError(5, "Input/output error")
    with pytest.raises(InputError, match="outer: inner: MemoryError"), guarded("outer"), guarded("inner"):
        raise MemoryError


def test_guarded_items_leaves_the_callers_errors_alone() -> None:
    with pytest.raises(ValueError, match="mine"):
        for _ in guarded_items("x", iter([1])):
            raise ValueError("mine")


class Passes:
    """Counts how often a tar.gz is streamed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        walk = TarArchive._walk

        def counted(archive: TarArchive, stream: archives._TarStream) -> object:
            self.count += 1
            return walk(archive, stream)

        monkeypatch.setattr(TarArchive, "_walk", counted)


def test_a_packed_tar_is_read_in_one_more_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [(f"{number}.jpg", bytes([number]) * 1000) for number in range(20)]
    archive, _ = everything(make(tmp_path, "tar.gz", members))
    passes = Passes(monkeypatch)
    wanted = [name for name, _ in members[3:]]
    reader = archive.reader(wanted)
    for name, data in reversed(members[3:]):
        assert reader.read(name) == data
    assert passes.count == 1
    assert reader._held == {}  # type: ignore[attr-defined]


def test_a_packed_tar_holds_no_more_than_its_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [(f"{number}.jpg", bytes([number]) * 1000) for number in range(10)]
    archive, _ = everything(make(tmp_path, "tar.gz", members))
    monkeypatch.setattr(archives, "_BUFFER_BYTES", 3000)
    passes = Passes(monkeypatch)
    reader = archive.reader([name for name, _ in members])
    for name, data in members:
        assert reader.read(name) == data
        assert sum(map(len, reader._held.values())) <= 3000  # type: ignore[attr-defined]
    assert 2 <= passes.count <= 4


@pytest.mark.parametrize("kind", KINDS)
def test_readers_serve_many_threads(kind: str, tmp_path: Path) -> None:
    members = [(f"{number}.jpg", random.Random(number).randbytes(20_000)) for number in range(24)]
    archive, _ = everything(make(tmp_path, kind, members))
    reader = archive.reader([name for name, _ in members])
    found: dict[str, bytes] = {}
    threads = [
        threading.Thread(target=lambda part=members[n::6]: found.update((m, reader.read(m)) for m, _ in part))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader.close()
    assert found == dict(members)


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_files_of_a_folder_and_below_and_beside(tmp_path: Path) -> None:
    tree(
        tmp_path, "xml/a.xml", "xml/big/fig1.tif", "images/fig2.jpg", "fig3.jpg", "manifest.xml", ".git/x.jpg"
    )
    assert sorted(folder_names(tmp_path, "xml", Limits())) == [
        "fig3.jpg",
        "images/fig2.jpg",
        "manifest.xml",
        "xml/a.xml",
        "xml/big/fig1.tif",
    ]


@pytest.mark.parametrize("other", ["q/b.xml", "b.nxml", "q/deep/er/b.xml", "PMC2.tar.gz", "q/PMC2.zip"])
def test_files_beside_are_not_shared_with_another_package(other: str, tmp_path: Path) -> None:
    tree(tmp_path, "p/a.xml", "p/sub/fig1.jpg", "p/nested/c.xml", "p/nested/fig9.jpg", "q/fig2.jpg", other)
    assert sorted(folder_names(tmp_path, "p", Limits())) == ["p/a.xml", "p/sub/fig1.jpg"]


def test_links_that_leave_the_input_are_not_followed(tmp_path: Path) -> None:
    root = (tmp_path / "root").resolve()
    tree(root, "a.xml", "real.jpg")
    tree(tmp_path, "outside/secret.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (root / "outdir").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    (root / "in.jpg").symlink_to(root / "real.jpg")
    (root / "dangling.jpg").symlink_to(root / "nothing")
    assert folder_names(root, "", Limits()) == ["a.xml", "in.jpg", "real.jpg"]
    reader = FolderReader(root, Limits())
    assert reader.read("in.jpg") == b"real.jpg"
    with pytest.raises(InputError, match="leaves the input folder"):
        reader.read("out.jpg")
    with pytest.raises(InputError, match="leaves the input folder"):
        reader.read("outdir/secret.jpg")
    with pytest.raises(InputError, match="leaves the input folder"):
        reader.read("../outside/secret.jpg")


def test_folder_limits(tmp_path: Path) -> None:
    tree(tmp_path, "a.xml", *(f"img/{number}.jpg" for number in range(8)))
    with pytest.raises(InputError, match="max_members=5"):
        folder_names(tmp_path, "", Limits(max_members=5))
    with guarded("x"), pytest.raises(InputError, match="max_member_bytes=3"):
        FolderReader(tmp_path, Limits(max_member_bytes=3)).read("img/1.jpg")
