"""Which member of a MECA archive is the article, and the defects that archives are known for."""

from __future__ import annotations

import io
import zipfile

import pytest
from standins.meca import MECA_TRAPS, make_meca

from pmcx import InputError
from pmcx.core.errors import PmcxError
from pmcx.sources import jats
from pmcx.sources.preprints.meca import Labels, image_files, read_article, read_labels
from pmcx.sources.remote_document import resolve_images

DOI = "10.1101/2026.01.14.700001"


class Package:
    """Members by name."""

    def __init__(self, members: dict[str, bytes]) -> None:
        self.members = members

    @property
    def names(self) -> list[str]:
        return list(self.members)

    def read(self, name: str) -> bytes:
        return self.members[name]


def package(doi: str = DOI, version: int = 1, traps: tuple[str, ...] = ()) -> Package:
    from pmcx.sources.packages import safe_name

    data = make_meca(doi, version, traps).data
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return Package(
            {name: file.read(raw) for raw in file.namelist() if raw[-1] != "/" and (name := safe_name(raw))}
        )


@pytest.mark.parametrize("trap", sorted({*MECA_TRAPS} - {"truncated", "no-xml"}))
def test_every_defect_still_gives_article_and_figures(trap: str) -> None:
    truth = make_meca(DOI, 2, [trap])
    archive = package(DOI, 2, (trap,))
    article = read_article(archive)
    assert (article.ids.doi, article.ids.version, article.id) == (DOI, "2", "10.1101_2026.01.14.700001v2")
    parsed = jats.parse(article.xml, source="biorxiv", article_id=article.id)
    assert not [drop for drop in parsed.drops if drop.reason == "damaged-xml"]
    figures = resolve_images(parsed, image_files(archive, article), "lossless", article.manifest.images)
    found = {figure.id.rpartition("/")[2]: figure.image.name for figure in figures}
    assert found == truth.figures
    assert all(figure.caption and figure.label for figure in figures)


def test_an_archive_without_article() -> None:
    with pytest.raises(InputError, match="no JATS article"):
        read_article(package(traps=("no-xml",)))


@pytest.mark.parametrize("doi", [DOI, "10.64898/2026.01.14.700001"])
def test_both_prefixes(doi: str) -> None:
    archive = package(doi)
    labels = read_labels(archive)
    assert labels == Labels(reference="2026.01.14.700001", item="700001v1")
    assert labels.may_be(doi, "1") and labels.may_be(doi)
    assert not labels.may_be(doi, "2")
    assert not labels.may_be(doi + "7", "1")
    assert read_article(archive).ids.doi == doi


def test_dois_before_there_were_dates_in_them() -> None:
    labels = Labels(reference="456574", item="456574v1")
    assert labels.may_be("10.1101/456574", "1") and not labels.may_be("10.1101/456575")


def test_labels_that_are_missing_exclude_nothing() -> None:
    assert Labels().may_be(DOI, "3")
    assert Labels(item="700001v1").may_be(DOI, "1")
    assert not Labels(item="700002v1").may_be(DOI, "1")
    assert not Labels(reference="2026.01.14.700002", item="700001v1").may_be(DOI)
    assert not Labels(reference="2025.01.14.700001", item="700001v1").may_be(DOI)
    archive = package()
    del archive.members["transfer.xml"]
    assert read_labels(archive) == Labels(item="700001v1")
    archive.members["transfer.xml"] = b"\x00 not xml"
    assert read_labels(archive) == Labels(item="700001v1")
    archive.members["manifest.xml"] = b""
    assert read_labels(archive) == Labels()


def test_the_manifest_counts_before_names() -> None:
    archive = package()
    other = archive.members["content/700001.xml"].replace(DOI.encode(), b"10.1101/2020.01.01.1")
    archive.members["content/000.xml"] = other
    archive.members["content/supplements/data.xml"] = other
    assert read_article(archive).member == "content/700001.xml"


def test_without_manifest_content_counts_before_supplements() -> None:
    archive = package(traps=("no-manifest",))
    archive.members["aaa.xml"] = b"<data/>"
    archive.members["content/supplements/0.xml"] = archive.members["content/700001.xml"].replace(
        DOI.encode(), b"10.1101/2020.01.01.1"
    )
    assert read_article(archive).ids.doi == DOI


def test_an_item_whose_file_has_another_suffix_or_folder() -> None:
    archive = package()
    archive.members["text/700001.nxml"] = archive.members.pop("content/700001.xml")
    archive.members["content/zzz.xml"] = b"<article><front><article-meta/></front></article>"
    article = read_article(archive)
    assert article.member == "text/700001.nxml" and article.ids.doi == DOI


def test_the_version_comes_from_the_manifest_where_the_article_states_none() -> None:
    archive = package(version=3)
    name = "content/700001.xml"
    archive.members[name] = archive.members[name].replace(b"<article-version>1.3</article-version>", b"")
    assert read_article(archive).id == "10.1101_2026.01.14.700001v3"


def test_an_article_without_doi_is_no_preprint() -> None:
    archive = package()
    name = "content/700001.xml"
    archive.members[name] = archive.members[name].replace(b'pub-id-type="doi"', b'pub-id-type="other"')
    with pytest.raises(InputError, match="no DOI"):
        read_article(archive)


def test_errors_of_the_network_are_not_taken_for_bad_members() -> None:
    from pmcx.core.net.client import NotFoundError

    class Gone(Package):
        def read(self, name: str) -> bytes:
            if name.endswith("700001.xml"):
                raise NotFoundError("gone")
            return super().read(name)

    with pytest.raises(PmcxError) as caught:
        read_article(Gone(package().members))
    assert isinstance(caught.value, NotFoundError)
