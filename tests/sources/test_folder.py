"""The folder source: what it enumerates, what it fetches, and what it says when something is missing."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pmcx.core.decode import decode
from pmcx.core.errors import InputError, UsageError
from pmcx.core.records import ArticleRef, Failure, to_json
from pmcx.core.stages import Document
from pmcx.sources.folder import FolderSource

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def article(*hrefs: str, ids: dict[str, str] | None = None, figures: str = "") -> bytes:
    """A JATS article with a figure for each href (F1, F2 …)."""
    stated = "".join(
        f'<article-id pub-id-type="{kind}">{value}</article-id>' for kind, value in (ids or {}).items()
    )
    figs = figures + "".join(
        f'<fig id="F{number}"><label>Figure {number}</label><caption><p>Words {number}.</p></caption>'
        f'<graphic xlink:href="{href}"/></fig>'
        for number, href in enumerate(hrefs, 1)
    )
    return (
        f'<?xml version="1.0"?><article {XLINK} article-type="research-article"><front><article-meta>{stated}'
        f"<title-group><article-title>T</article-title></title-group></article-meta></front>"
        f"<body><p>Text.</p>{figs}</body></article>"
    ).encode()


def picture(shade: int = 200, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 10), (shade, shade, shade)).save(out, kind)
    return out.getvalue()


def write(root: Path, members: dict[str, bytes]) -> None:
    for name, data in members.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix in (".zip", ".meca"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members.items():
                file.writestr(name, data)
        return path
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    path.write_bytes(out.getvalue() if path.suffix == ".tar" else gzip.compress(out.getvalue(), mtime=0))
    return path


def source(*inputs: Path | str, **options: Any) -> FolderSource:
    return FolderSource({"input": [str(path) for path in inputs], **options})


def fetched(from_: FolderSource) -> list[Document | Failure]:
    return list(from_.fetch(list(from_.plan())))


def only(from_: FolderSource) -> Document:
    (document,) = fetched(from_)
    assert isinstance(document, Document), document
    return document


def shades(document: Document) -> dict[str, int]:
    """Figure id -> grey of its image, or the error."""
    found = {}
    for figure in document.figures:
        found[figure.id.rpartition("/")[2]] = decode(document.read(figure)).image.getpixel((5, 5))[0]
    document.close()
    return found


def refusal(document: Document, at: int = 0) -> str:
    with pytest.raises(InputError) as error:
        document.read(document.figures[at])
    return str(error.value)


def test_no_input_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no input"):
        list(FolderSource().plan())
    with pytest.raises(UsageError, match=r"'.*nowhere' does not exist"):
        source(tmp_path / "nowhere").plan()
    write(
        tmp_path,
        {"a.txt": b"", "sub/b.csv": b"", "c": b"", "n.xml": b"<notes/>", "manifest.xml": b"<manifest/>"},
    )
    with pytest.raises(UsageError, match=r"looks like an article: saw 1 \(none\), 1 \.csv, 1 \.txt, 2 \.xml"):
        list(source(tmp_path).plan())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="saw no files"):
        list(source(tmp_path / "empty").plan())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a folder nor a regular file"):
        source(tmp_path / "pipe").plan()


def test_an_input_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(tmp_path, {"a.xml": article()})
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        source(tmp_path).plan()


def test_options_take_one_path_or_several_and_refuse_nonsense() -> None:
    assert FolderSource({"input": "a"}).options.input == ("a",)
    assert FolderSource({"input": Path("a")}).options.input == ("a",)
    assert FolderSource({"input": ["a", "b"]}).options.input == ("a", "b")
    for wrong in ({"inputs": "a"}, {"input": "a", "prefer": "png"}, {"input": "a", "max_members": 0}):
        with pytest.raises(ValueError):
            FolderSource(wrong)


def test_the_plan_is_sorted_has_final_ids_and_skips_what_is_no_article(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b/main.xml": article(ids={"doi": "10.1/b"}),
            "a/PMC5/x.nxml": article(ids={"pmc": "5"}),
            "c.XML": article(),
            "manifest.xml": b"<manifest/>",
            "notes.xml": b"<notes/>",
            "__MACOSX/._c.xml": b"junk",
            ".hidden/d.xml": article(),
            "._c.xml": b"junk",
        },
    )
    pack(
        tmp_path / "b.zip", {"x/1.xml": article(ids={"doi": "10.1/z"}), "x/0.xml": article(), "x/t.csv": b""}
    )
    pack(tmp_path / "nothing.zip", {"a.csv": b"1,2"})
    plan = list(source(tmp_path).plan())
    assert [(ref.id, ref.locator) for ref in plan] == [
        ("PMC5", "0:a/PMC5/x.nxml"),
        ("10.1_b", "0:b/main.xml"),
        ("b.zip_x_0.xml", "0:b.zip!x/0.xml"),
        ("10.1_z", "0:b.zip!x/1.xml"),
        ("c.XML", "0:c.XML"),
    ]
    for ref, document in zip(plan, source(tmp_path).fetch(plan), strict=True):
        assert isinstance(document, Document) and document.article.id == ref.id


def test_plan_and_documents_do_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    one = tmp_path / "one"
    write(one, {"p/a.xml": article("x"), "p/x.jpg": picture()})
    pack(one / "q.zip", {"b.xml": article("x", ids={"doi": "10.1/b"}), "x.jpg": picture()})
    other = tmp_path / "deeper" / "two"
    shutil.copytree(one, other)
    first, second = list(source(one).plan()), list(source(other).plan())
    assert to_json(first) == to_json(second)

    def records(root: Path) -> list[bytes]:
        answers = source(root).fetch(first)
        return [to_json([a.article, a.figures]) if isinstance(a, Document) else to_json(a) for a in answers]

    assert records(one) == records(other)
    assert str(tmp_path).encode() not in b"".join(records(one)) + to_json(first)


def test_several_inputs_keep_apart_what_has_no_id(tmp_path: Path) -> None:
    write(tmp_path, {"a/main.xml": article("1"), "b/main.xml": article("1"), "x/b/main.xml": article("1")})
    plan = list(
        source(tmp_path / "a", tmp_path / "b", tmp_path / "x" / "b", tmp_path / "a" / "main.xml").plan()
    )
    assert [ref.locator for ref in plan] == [f"{n}:main.xml" for n in range(4)]
    assert len({ref.id for ref in plan}) == 4


def test_an_article_set_gives_one_ref_for_each(tmp_path: Path) -> None:
    bare = [article(f"g{n}", ids={"pmid": str(n)}).replace(b'<?xml version="1.0"?>', b"") for n in (1, 2, 3)]
    write(
        tmp_path,
        {"set.xml": b"<pmc-articleset>" + b"".join(bare) + b"</pmc-articleset>", "g2.jpg": picture(90)},
    )
    from_ = source(tmp_path / "set.xml")
    plan = list(from_.plan())
    assert [ref.locator for ref in plan] == ["0:set.xml", "0:set.xml#1", "0:set.xml#2"]
    documents = from_.fetch(plan[::-1])
    assert [d.article.ids.pmid for d in documents if isinstance(d, Document)] == ["3", "2", "1"]
    assert isinstance(documents[1], Document)
    assert shades(documents[1]) == {"F1": 90}


def test_odd_names_survive_the_locator(tmp_path: Path) -> None:
    folder = "50% off! #1 caf\u00e9 \u65e5\u672c"
    write(tmp_path, {f"{folder}/a:b.xml": article("x"), f"{folder}/x.jpg": picture(70)})
    raw = os.fsencode(tmp_path) + b"/latin-\xe9"
    write(Path(os.fsdecode(raw)), {"c.xml": article("x")})
    pack(tmp_path / "z!#.zip", {"a!b#1.xml": article("x"), "x.jpg": picture(71)})
    plan = list(source(tmp_path).plan())
    to_json(plan)
    answers = source(tmp_path).fetch(plan)
    assert [type(a).__name__ for a in answers] == ["FolderDocument"] * 3
    assert [shades(a) for a in (answers[0], answers[2]) if isinstance(a, Document)] == [
        {"F1": 70},
        {"F1": 71},
    ]


@pytest.mark.parametrize("kind", [".zip", ".meca", ".tar", ".tar.gz", ".tgz", ""])
def test_images_of_every_kind_of_package(kind: str, tmp_path: Path) -> None:
    members = {
        "p/a.xml": article(
            "exact.jpg", "STEM", "figs/deep.png?x=1", "up%20per.tif", "noext", "gone.jpg", "twice.jpg"
        ),
        "p/exact.jpg": picture(10),
        "p/stem.gif": picture(21, "GIF"),
        "p/stem.jpg": picture(20),
        "p/figs/deep.png": picture(30, "PNG"),
        "UP PER.TIF": picture(40, "TIFF"),
        "p/noext": picture(50),
        "p/twice.jpg": picture(60),
    }
    if kind:
        from_ = source(pack(tmp_path / f"pack{kind}", members))
        before = sorted(tmp_path.rglob("*"))
    else:
        write(tmp_path / "in", members)
        from_ = source(tmp_path / "in")
    document = only(from_)
    names = [figure.image.name for figure in document.figures]
    assert names == [
        "p/exact.jpg", "p/stem.jpg", "p/figs/deep.png", "UP PER.TIF", "p/noext", "", "p/twice.jpg",
    ]  # fmt: skip
    message = refusal(document, 5)
    assert "no image file for href 'gone.jpg'" in message and "tried 'gone.jpg'" in message
    assert str(tmp_path) not in message
    got = [
        decode(document.read(figure)).image.getpixel((1, 1))[0]
        for figure in document.figures
        if figure.image.name
    ]
    assert got == [10, 20, 30, 40, 50, 60]
    document.close()
    if kind:
        assert sorted(tmp_path.rglob("*")) == before


def test_figures_that_share_a_file_and_threads(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "p.tar.gz",
        {"a.xml": article(*["x.jpg", "y.jpg"] * 8), "x.jpg": picture(1), "y.jpg": picture(2)},
    )
    document = only(source(path))
    got: dict[str, bytes] = {}
    threads = [
        threading.Thread(target=lambda figure=figure: got.update({figure.id: document.read(figure)}))
        for figure in document.figures
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[figure.id] for figure in document.figures] == [picture(1), picture(2)] * 8


@pytest.mark.parametrize("kind", [".zip", ".tar.gz", ""])
def test_packages_side_by_side_lend_each_other_nothing(kind: str, tmp_path: Path) -> None:
    members = {"a/a.xml": article("fig1.jpg"), "b/b.xml": article("fig1.jpg"), "b/fig1.jpg": picture(9)}
    if kind:
        from_ = source(pack(tmp_path / f"p{kind}", members))
    else:
        write(tmp_path / "in", members)
        from_ = source(tmp_path / "in")
    first, second = fetched(from_)
    assert isinstance(first, Document) and isinstance(second, Document)
    assert "no image file" in refusal(first)
    assert shades(second) == {"F1": 9}


def test_meca(tmp_path: Path) -> None:
    """Manifest by figure id, back slashes, two images of one name, a missing file, a nested root."""
    manifest = b"""<manifest xmlns="http://manuscriptexchange.org">
      <item id="F1" type="figure"><instance media-type="image/tiff" href="revised\\1.tif"/></item>
      <item id="F2" type="fig"><instance media-type="image/jpeg" href="content/other-name.jpg"/></item>
      <item id="F3" type="figure"><instance media-type="image/tiff" href="content/gone.tif"/></item>
    </manifest>"""
    for root in ("", "b7d0-uuid/"):
        path = pack(
            tmp_path / "x.meca",
            {
                f"{root}content/1.xml": article(
                    "1.tif", "fig2.tif", "gone.tif", "content\\4.tif", ids={"doi": "10.1101/1"}
                ),
                f"{root}content/1.tif": picture(11, "TIFF"),
                f"{root}revised/1.tif": picture(12, "TIFF"),
                f"{root}content/other-name.jpg": picture(20),
                f"{root}content/4.tif": picture(40, "TIFF"),
                f"{root}manifest.xml": manifest,
                f"{root}transfer.xml": b"<transfer/>",
                "mimetype": b"application/meca+zip",
            },
        )
        document = only(source(path))
        assert document.article.id == "10.1101_1"
        assert [f.image.name for f in document.figures] == [
            f"{root}revised/1.tif", f"{root}content/other-name.jpg", "", f"{root}content/4.tif",
        ]  # fmt: skip
        shutil.rmtree(tmp_path / "unpacked", ignore_errors=True)
        with zipfile.ZipFile(path) as file:
            file.extractall(tmp_path / "unpacked")
        assert [f.image.name for f in only(source(tmp_path / "unpacked")).figures] == [
            f.image.name for f in document.figures
        ]


def test_a_broken_manifest_costs_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"a.xml": article("1.jpg"), "1.jpg": picture(5), "manifest.xml": b"\0\0\0"})
    assert shades(only(source(tmp_path / "a.xml"))) == {"F1": 5}


def test_alternatives_in_order_and_lossless(tmp_path: Path) -> None:
    figure = (
        '<fig id="F1"><caption><p>Words.</p></caption><alternatives><graphic xlink:href="a.tif"/>'
        '<graphic xlink:href="a.jpg"/></alternatives></fig>'
    )
    write(tmp_path, {"a.xml": article(figures=figure), "a.tif": picture(1, "TIFF"), "a.jpg": picture(2)})
    assert only(source(tmp_path)).figures[0].image.name == "a.jpg"
    assert only(source(tmp_path, prefer="lossless")).figures[0].image.name == "a.tif"


def test_vector_graphics_are_named_and_passed_over(tmp_path: Path) -> None:
    members = {
        "a.xml": article("eps.eps", "both.eps", "lie.jpg", "page.pdf"),
        "eps.eps": b"%!PS-Adobe-3.0 EPSF-3.0",
        "both.eps": b"%!PS-Adobe-3.0 EPSF-3.0",
        "both.png": picture(7, "PNG"),
        "lie.jpg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        "page.pdf": b"%PDF-1.4",
    }
    document = only(source(pack(tmp_path / "a.zip", members)))
    assert "vector graphic 'eps.eps' (EPS)" in refusal(document, 0)
    assert document.read(document.figures[1]) == picture(7, "PNG")
    assert "vector graphic 'lie.jpg' (SVG)" in refusal(document, 2)
    assert "vector graphic 'page.pdf' (PDF)" in refusal(document, 3)


def test_a_pmc_archive_is_not_opened_to_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {
        "PMC7/p.nxml": article("f1", ids={"pmc": "7"}),
        "PMC7/f1.jpg": picture(3),
        "PMC7/f1.gif": picture(4, "GIF"),
    }
    pack(tmp_path / "PMC7.2.tar.gz", members)
    (tmp_path / "PMC8.tar.gz").write_bytes(b"<!DOCTYPE html><html>404 Not Found</html>")
    from_ = source(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("pmcx.sources.folder.open_archive", None)
        plan = list(from_.plan())
    assert [(ref.id, ref.locator) for ref in plan] == [
        ("PMC7.2", "0:PMC7.2.tar.gz"),
        ("PMC8", "0:PMC8.tar.gz"),
    ]
    document, failure = from_.fetch(plan)
    assert isinstance(document, Document) and document.article.id == "PMC7.2"
    assert shades(document) == {"F1": 3}
    assert isinstance(failure, Failure) and failure.kind == "input" and failure.stage == "fetch"
    assert failure.error.startswith("PMC8.tar.gz: not a ZIP, tar or tar.gz archive, begins")


def test_a_second_article_in_a_pmc_archive_is_on_record(tmp_path: Path) -> None:
    pack(tmp_path / "PMC7.tar.gz", {"b.nxml": article(), "a.xml": article(), "c.xml": b"<notes/>"})
    document = only(source(tmp_path))
    assert [(drop.id, drop.reason, drop.detail) for drop in document.drops] == [
        ("PMC7/*", "further-article", "PMC7.tar.gz: a.xml")
    ]


def test_a_pmc_archive_without_article(tmp_path: Path) -> None:
    pack(tmp_path / "PMC7.tar.gz", {"x.jpg": b"", "inner.zip": b"PK"})
    pack(tmp_path / "PMC8.tar.gz", {"x.nxml": b"this is no XML"})
    first, second = fetched(source(tmp_path))
    assert isinstance(first, Failure) and "no JATS article among its 0 XML files" in first.error
    assert "'inner.zip'" in first.error
    assert isinstance(second, Failure) and second.error.startswith("PMC8.tar.gz: x.nxml: ")


def test_what_cannot_be_read_is_enumerated_and_fails_with_its_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a/broken.xml": b"this is no XML at all",
            "b/empty.nxml": b"",
            "c.zip": b"<html>404</html>",
            "d.tar.gz": gzip.compress(b"x" * 1000),
            "e.zip": pack(tmp_path / "whole.zip", {"a.xml": article()}).read_bytes()[:-30],
            "f/good.xml": article(),
        },
    )
    pack(tmp_path / "g.zip", {"bad.xml": b"no XML", "good.xml": article(ids={"doi": "10.1/g"})})
    from_ = source(tmp_path)
    plan = list(from_.plan())
    answers = dict(zip([ref.locator for ref in plan], from_.fetch(plan), strict=True))
    failed = {locator: a for locator, a in answers.items() if isinstance(a, Failure)}
    assert sorted(failed) == [
        "0:a/broken.xml", "0:b/empty.nxml", "0:c.zip", "0:d.tar.gz", "0:e.zip", "0:g.zip!bad.xml",
    ]  # fmt: skip
    for locator, failure in failed.items():
        assert (failure.kind, failure.stage) == ("input", "fetch")
        assert failure.error.startswith(locator[2:].split("!")[0])
        assert str(tmp_path) not in failure.error
    assert len(answers) - len(failed) == 3


def test_a_folder_that_cannot_be_listed_is_a_failure_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"good/a.xml": article(), "locked/b.xml": article()})
    listing = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(os, "scandir", scandir)
    good, locked = fetched(source(tmp_path))
    assert isinstance(good, Document)
    assert isinstance(locked, Failure)
    assert locked.error == "locked: cannot list folder 'locked': Permission denied"


def test_limits_are_options(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.xml": article("x.jpg"), "x.jpg": picture()})
    (failure,) = fetched(source(path, max_members=1))
    assert isinstance(failure, Failure) and "limit max_members=1" in failure.error
    document = only(source(path, max_member_bytes=10))
    assert "x.jpg" in refusal(document) and "limit max_member_bytes=10" in refusal(document)
    (failure,) = fetched(source(path, max_xml_bytes=10))
    assert isinstance(failure, Failure) and "limit max_xml_bytes=10" in failure.error


def test_a_retry_reads_only_what_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"a.xml": article("x.jpg", "y.jpg"), "x.jpg": picture(), "y.jpg": picture()})
    from_ = source(tmp_path)
    (ref,) = from_.plan()
    again = ArticleRef(id=ref.id, locator=ref.locator, only=(f"{ref.id}/F2",), attempt=1)
    (document,) = from_.fetch([again])
    assert isinstance(document, Document)
    assert [figure.id for figure in document.figures] == [f"{ref.id}/F2"]
    (tmp_path / "a.xml").unlink()
    (failure,) = from_.fetch([again])
    assert isinstance(failure, Failure) and failure.attempt == 1
    assert failure.error == "a.xml: No such file or directory"


@pytest.mark.parametrize(
    "locator",
    ["", "x", "9:a.xml", "0:../a.xml", "0:/etc/passwd", "0:%2Fetc/passwd", "0:a/%2e%2e/%2e%2e/b.xml"],
)
def test_foreign_locators_are_refused(locator: str, tmp_path: Path) -> None:
    (answer,) = source(tmp_path).fetch([ArticleRef(id="x", locator=locator)])
    assert isinstance(answer, Failure) and answer.kind == "input" and "locator" in answer.error


def test_read_gives_nothing_but_the_documents_own_files(tmp_path: Path) -> None:
    import msgspec

    write(tmp_path, {"a.xml": article("x.jpg"), "x.jpg": picture(), "secret.jpg": b"secret"})
    document = only(source(tmp_path))
    figure = document.figures[0]
    forged = msgspec.structs.replace(figure, image=msgspec.structs.replace(figure.image, name="secret.jpg"))
    with pytest.raises(InputError, match="no image file"):
        document.read(forged)


def test_answers_are_in_the_order_of_the_refs_and_archives_are_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        pack(
            tmp_path / f"{name}.tar.gz",
            {f"{n}.xml": article(ids={"doi": f"10.1/{name}{n}"}) for n in range(5)},
        )
    from_ = source(tmp_path)
    plan = list(from_.plan())
    mixed = plan[::2] + plan[1::2]
    opened: list[str] = []
    import pmcx.sources.folder as module

    original = module.open_archive
    monkeypatch.setattr(
        module, "open_archive", lambda path, limits: opened.append(path.name) or original(path, limits)
    )
    answers = from_.fetch(mixed)
    assert [a.article.id for a in answers if isinstance(a, Document)] == [ref.id for ref in mixed]
    assert sorted(opened) == ["a.tar.gz", "b.tar.gz"]


def test_a_large_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        {f"{n}.xml": article(f"{n}.jpg") for n in range(150)} | {f"{n}.jpg": b"x" for n in range(150)},
    )
    import pmcx.sources.folder as module

    listed: list[str] = []
    original = module.folder_names
    monkeypatch.setattr(module, "folder_names", lambda *args: listed.append(args[1]) or original(*args))
    from_ = source(tmp_path)
    plan = list(from_.plan())
    names = {
        figure.image.name for ref in plan for a in from_.fetch([ref]) for figure in getattr(a, "figures", ())
    }
    assert names == {f"{n}.jpg" for n in range(150)} and listed == [""]


def test_a_document_waits_without_an_open_file(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {f"{n}.xml": article("x.jpg") for n in range(30)} | {"x.jpg": picture()})
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("this system does not list open files")
    before = len([*open_files.iterdir()])
    documents = fetched(source(path))
    assert len(documents) == 30 and len([*open_files.iterdir()]) <= before


def test_importing_the_source_loads_no_heavy_library() -> None:
    heavy = ["numpy", "PIL", "lxml", "pyarrow", "torch", "transformers", "tifffile"]
    code = f"import sys, pmcx.sources.folder; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Package -> figures, of them with an image file, without; counted by hand from the XML and the listings.
REAL = {
    "2021.11.17.469032": (14, 14, 0),
    "2022.03.15.484463": (4, 4, 0),
    "2022.04.13.488149": (8, 8, 0),
    "bjmbr_documentstore": (2, 0, 2),
    "bjmbr_documentstore.zip": (2, 0, 2),
    "elife-00353": (1, 1, 0),
    "elife-00353.zip": (1, 1, 0),
    "elife-19405": (1, 1, 0),
    "elife-19405.zip": (1, 1, 0),
    "elife-30274-v1": (5, 5, 0),
    "elife-32671": (5, 5, 0),
    "elife-43154-v2": (3, 3, 0),
    "elife-46472-v3": (8, 8, 0),
    "elife-46793-v1": (19, 19, 0),
    "hoehnea-49-e1112020": (3, 3, 0),
    "ijm-00202": (6, 6, 0),
    "plosone-0091296": (9, 9, 0),
    "plosone-0093988": (3, 3, 0),
    "plosone-0178565": (6, 6, 0),
    "tinf_package_with_subdir.zip": (3, 3, 0),
}


@pytest.mark.real_data
def test_real_packages(shared_data: Path) -> None:
    from_ = source(shared_data / "articles")
    plan = list(from_.plan())
    counts: dict[str, tuple[int, int, int]] = {}
    for ref, document in zip(plan, from_.fetch(plan), strict=True):
        assert isinstance(document, Document), document
        assert document.article.id == ref.id
        package = ref.locator[2:].split("!")[0].split("/")[0]
        figures, resolved, missing = counts.get(package, (0, 0, 0))
        for figure in document.figures:
            figures += 1
            if figure.image.name:
                assert decode(document.read(figure)).width > 100
                resolved += 1
            else:
                with pytest.raises(
                    InputError, match=r"no image file for href '1414-431X-bjmbr-54-10-e11439-gf00"
                ):
                    document.read(figure)
                missing += 1
        document.close()
        counts[package] = figures, resolved, missing
    assert counts == REAL
    assert len(plan) == 23  # four articles in the tinf archive, two of them without figures


@pytest.mark.real_data
def test_real_archive_and_folder_of_one_article_agree(shared_data: Path) -> None:
    for name in ("elife-00353", "elife-19405", "bjmbr_documentstore"):
        packed = only(source(shared_data / "articles" / f"{name}.zip"))
        plain = only(source(shared_data / "articles" / name))
        assert to_json([packed.article, packed.figures]) == to_json([plain.article, plain.figures])
        for figure in packed.figures:
            if figure.image.name:
                assert packed.read(figure) == plain.read(figure)


@pytest.mark.real_data
def test_real_meca_archive(shared_data: Path) -> None:
    document = only(source(shared_data / "interfaces" / "meca" / "95901-v1-meca.zip"))
    assert document.article.ids.doi == "10.1101/2024.01.24.24301711"
    assert [f.image.name for f in document.figures] == ["content/24301711v1_fig1.tif"]
    decoded = decode(document.read(document.figures[0]))
    assert (decoded.format, decoded.verbatim) == ("tiff", False)
    assert decoded.width * decoded.height * 3 <= 9_914_496  # uncompressed RGB: no pixel is lost


@pytest.mark.real_data
def test_real_legacy_pmc_layout(shared_data: Path, tmp_path: Path) -> None:
    """A real .nxml packed as PMC did: one folder, hrefs without suffix, a thumbnail beside each image."""
    xml = (shared_data / "interfaces" / "pmc_nxml" / "pone.0046493.nxml").read_bytes()
    plain = only(source(shared_data / "interfaces" / "pmc_nxml" / "pone.0046493.nxml"))
    hrefs = [figure.image.href for figure in plain.figures]
    assert hrefs and all("." in href and not href.endswith((".jpg", ".tif")) for href in hrefs)
    members = {"PMC3460867/pone.0046493.nxml": xml, "PMC3460867/pone.0046493.pdf": b"%PDF-1.4"}
    for number, href in enumerate(hrefs):
        members[f"PMC3460867/{href}.gif"] = picture(250, "GIF")
        members[f"PMC3460867/{href}.jpg"] = picture(10 * number)
    document = only(source(pack(tmp_path / "PMC3460867.tar.gz", members)))
    assert document.article.id == "PMC3460867"
    assert [figure.image.name for figure in document.figures] == [f"PMC3460867/{href}.jpg" for href in hrefs]
    assert list(shades(document).values()) == [10 * number for number in range(len(hrefs))]
