"""The sources ``biorxiv`` and ``medrxiv`` against stand-ins of the bucket and the API."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from preprint_bench import KEY, SECRET, TOKEN, Bench, article_id, names, use_credentials
from standins.biorxiv_api import BiorxivStandIn
from standins.faults import Faults
from standins.meca import MecaArchive, MecaBucket, make_meca
from standins.s3 import S3StandIn

from pmcx import InputError, UsageError
from pmcx.core.config import Filters
from pmcx.core.errors import TransientError
from pmcx.core.filters import metadata_drop
from pmcx.core.records import ArticleRef, Drop, Failure
from pmcx.core.stages import Document, Survey
from pmcx.sources.folder import FolderSource
from pmcx.sources.preprints.source import BiorxivSource, MedrxivSource, PreprintSource
from pmcx.testing import SourceSuite

DOI = "10.1101/2026.01.14.700001"
NEW = "10.64898/2026.01.14.700001"
JANUARY = "Current_Content/January_2026/"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_credentials(monkeypatch, tmp_path)


@pytest.fixture
def s3() -> Iterator[S3StandIn]:
    with S3StandIn(secrets={KEY: SECRET}) as standin:
        yield standin


@pytest.fixture
def bucket(s3: S3StandIn) -> MecaBucket:
    return MecaBucket(s3)


@pytest.fixture
def api() -> Iterator[BiorxivStandIn]:
    with BiorxivStandIn() as standin:
        yield standin


@pytest.fixture
def bench(s3: S3StandIn, api: BiorxivStandIn, tmp_path: Path) -> Bench:
    return Bench(s3, api, tmp_path / "cache")


def check(document: Document | Failure | Drop, archive: MecaArchive) -> None:
    """The document holds the archive's figures, with the right bytes."""
    assert isinstance(document, Document), document
    assert document.article.id == article_id(archive)
    found = {figure.id.rpartition("/")[2]: figure.image.name for figure in document.figures}
    assert found == archive.figures
    document.prepare(document.figures)
    for figure in document.figures:
        if figure.image.name:
            assert document.read(figure) == archive.images[figure.image.name]
        else:
            with pytest.raises(InputError, match="no file"):
                document.read(figure)
    document.close()


# -- consent and credentials --------------------------------------------------------------------


def test_nothing_is_asked_without_consent(bench: Bench, bucket: MecaBucket) -> None:
    bucket.add(DOI)
    for act in (lambda s: s.open(), lambda s: list(s.plan())):
        with pytest.raises(UsageError, match=r"0\.09 USD a GB.*--requester-pays"):
            act(bench.source(months="2026-01", requester_pays=False))
    assert not bench.s3.log


def test_credentials_are_needed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match="AWS credentials"):
        bench.plan(months="2026-01")
    assert not bench.s3.log


def test_wrong_credentials_are_told_once(
    bench: Bench, bucket: MecaBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.add(DOI)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(UsageError, match="AWS credentials may not read biorxiv-src-monthly"):
        bench.plan(months="2026-01")
    assert len(bench.s3.log) == 1


def test_a_bucket_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no bucket other"):
        bench.plan(months="2026-01", bucket="other")


def test_no_credential_reaches_a_log_or_an_error(
    bench: Bench, bucket: MecaBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.add(DOI)
    lost = bucket.add(NEW)
    bench.s3.faults = Faults(rate=0.5, seed=1, forever={lost.key}, stall_seconds=0.1)
    with caplog.at_level(logging.DEBUG), bench.source(months="2026-01", timeout=0.2, attempts=12) as source:
        refs = [item for item in source.plan() if isinstance(item, ArticleRef)]
        answers = source.fetch(refs)
    assert any(isinstance(answer, Failure) for answer in answers)
    assert any(hit.headers.get("x-amz-security-token") == TOKEN for hit in bench.s3.log)
    said = caplog.text + "".join(repr(answer) for answer in answers) + repr(refs) + repr(source.options)
    for secret in (KEY, SECRET, TOKEN, "AWS4-HMAC", "Signature"):
        assert secret not in said


# -- months -------------------------------------------------------------------------------------


def test_a_month(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(7)
    bucket.add("10.1101/2026.02.02.800000", month="February_2026")
    refs = bench.refs(months=["2026-01"])
    archives = sorted(bucket.archives[:7], key=lambda archive: archive.doi)
    assert [ref.id for ref in refs] == [article_id(archive) for archive in archives]
    assert {ref.id.partition("_")[0] for ref in refs} == {"10.1101", "10.64898"}
    with bench.source() as source:
        for archive, document in zip(archives, source.fetch(refs), strict=True):
            check(document, archive)
            assert isinstance(document, Document)
            article = document.article
            assert (article.ids.doi, article.license.code, article.source) == (
                archive.doi,
                "CC BY",
                "biorxiv",
            )
    both = bench.refs(months=["January_2026", "2026-02"])
    assert len(both) == 8


def test_planning_reads_a_small_part_and_only_once(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(5)
    refs = bench.refs(months="2026-01")
    total = sum(len(archive.data) for archive in bucket.archives)
    assert sum(hit.bytes for hit in bench.s3.log if ".meca" in hit.path) < total / 4
    bench.s3.forget()
    assert bench.refs(months="2026-01") == refs
    assert [hit.query.partition("&")[0] for hit in bench.s3.log] == ["list-type=2"]
    bucket.add("10.1101/2026.01.20.900000")
    bench.s3.forget()
    assert len(bench.refs(months="2026-01")) == 6
    assert len(bench.gets()) <= 2  # of the new archive


def test_images_are_fetched_only_where_they_are_read(bench: Bench, bucket: MecaBucket) -> None:
    archive = bucket.add(DOI, figures=3)
    (ref,) = bench.refs(months="2026-01")
    bench.s3.forget()
    with bench.source() as source:
        (document,) = source.fetch([ref])
        assert isinstance(document, Document)
        assert not bench.gets()  # directory and XML are known from planning
        kept = document.figures[1]
        document.prepare([kept])
        assert document.read(kept) == archive.images[kept.image.name]
        document.close()
    assert len(bench.gets()) == 1


def test_only_the_figures_asked_for(bench: Bench, bucket: MecaBucket) -> None:
    bucket.add(DOI, figures=3)
    (ref,) = bench.refs(months="2026-01")
    with bench.source() as source:
        (document,) = source.fetch([msgspec.structs.replace(ref, only=(f"{ref.id}/fig2",))])
    assert isinstance(document, Document)
    assert [figure.id for figure in document.figures] == [f"{ref.id}/fig2"]


def test_duplicates_and_versions(bench: Bench, bucket: MecaBucket) -> None:
    bucket.add(DOI, 1)
    bucket.add(DOI, 10, date="2026-01-20")
    newest = bucket.add(DOI, 2, traps=["duplicate"])
    other = bucket.add(NEW, 1, month="January_2026")
    tenth = bucket.archives[1]
    assert tenth.version == 10
    items = bench.plan(months="2026-01")
    reasons = sorted(reason for _, reason in names(items))
    assert reasons == ["", "", "duplicate-article", "older-version", "older-version"]
    assert [ref.id for ref in items if isinstance(ref, ArticleRef)] == [article_id(tenth), article_id(other)]
    items = bench.plan(months="2026-01", versions="all")
    refs = [item for item in items if isinstance(item, ArticleRef)]
    assert [ref.id for ref in refs] == [f"{article_id(tenth)[:-3]}v{n}" for n in (1, 2, 10)] + [
        article_id(other)
    ]
    with bench.source() as source:
        check(source.fetch(refs)[1], newest)


def test_batches_of_medrxiv(bench: Bench, s3: S3StandIn) -> None:
    bucket = MecaBucket(s3, "medrxiv-src-monthly", "medrxiv")
    archive = bucket.add("10.1101/19001234", month="Back_Content/medRxiv_Batch_01")
    bucket.add(DOI)
    with bench.source(MedrxivSource, back="1") as source:
        (ref,) = source.plan()
        assert isinstance(ref, ArticleRef)
        (document,) = source.fetch([ref])
        assert isinstance(document, Document)
        assert (document.article.id, document.article.source) == (article_id(archive), "medrxiv")
        assert document.article.journal == "medRxiv"


def test_an_empty_month_names_the_others(bench: Bench, bucket: MecaBucket) -> None:
    bucket.add(DOI)
    with pytest.raises(UsageError, match=r"March_2026/ of biorxiv-src-monthly.*there are January_2026"):
        bench.plan(months="2026-03")
    assert len(bench.refs(months=["2026-01", "2026-03"])) == 1


def test_nothing_chosen(bench: Bench) -> None:
    with pytest.raises(UsageError, match="nothing chosen"):
        bench.plan()
    for options in (
        {"until": "2026-01-01"},
        {"category": "x"},
        {"since": "2026-02-01", "until": "2026-01-01"},
    ):
        with pytest.raises(ValueError, match="since"):
            bench.source(**options)


def test_other_and_hostile_keys_are_no_archives(bench: Bench, bucket: MecaBucket) -> None:
    archive = bucket.add(DOI)
    for key in ("readme.txt", "../../x.meca", "a\\b.meca", "empty.meca", "a//b.meca"):
        bench.s3.put(bucket.bucket, JANUARY + key, b"" if "empty" in key else b"PK garbage")
    assert [ref.id for ref in bench.refs(months="2026-01")] == [article_id(archive)]
    assert all(archive.key in hit.path for hit in bench.s3.log if ".meca" in hit.path)


# -- archives that cannot be read ---------------------------------------------------------------


@pytest.mark.parametrize("trap", ["no-xml", "truncated"])
def test_an_unreadable_archive_is_lost_by_name(bench: Bench, bucket: MecaBucket, trap: str) -> None:
    good = bucket.add(NEW)
    bad = bucket.add(DOI, traps=[trap])
    refs = bench.refs(months="2026-01")
    assert [ref.id for ref in refs] == [article_id(good), bad.uuid]
    with bench.source() as source:
        first, second = source.fetch(refs)
    assert isinstance(first, Document) and isinstance(second, Failure)
    assert (second.id, second.kind) == (bad.uuid, "input")


def test_an_archive_that_does_not_come_is_lost_and_then_taken_once(bench: Bench, bucket: MecaBucket) -> None:
    good, bad = bucket.add(NEW), bucket.add(DOI)
    bench.s3.faults = Faults(rate=0.0, forever={bad.key})
    refs = bench.refs(months="2026-01")
    assert [ref.id for ref in refs] == [article_id(good), bad.uuid]
    with bench.source() as source:
        failed = source.fetch(refs)[1]
    assert isinstance(failed, Failure) and failed.kind == "transient"
    bench.s3.faults = Faults(rate=0.0)
    with bench.source() as source:
        later = source.fetch(refs)[1]
    assert isinstance(later, Drop) and (later.id, later.reason) == (bad.uuid, "readable-now")
    assert article_id(bad) in later.detail
    again = {ref.id for ref in bench.refs(months="2026-01")}
    assert again == {article_id(good), article_id(bad)}, "an extension of the run takes it, once"


def test_an_archive_replaced_after_planning(bench: Bench, bucket: MecaBucket) -> None:
    archive = bucket.add(DOI)
    (ref,) = bench.refs(months="2026-01")
    other = make_meca(DOI, figures=1)
    bench.s3.put(bucket.bucket, archive.key, other.data)
    with bench.source(cache="none") as source:
        (answer,) = source.fetch([ref])
    assert isinstance(answer, Failure) and answer.kind == "transient" and "plan the run again" in answer.error
    (again,) = bench.refs(months="2026-01")
    assert again.id == ref.id and again.fingerprint != ref.fingerprint
    with bench.source() as source:
        (document,) = source.fetch([again])
        assert isinstance(document, Document) and len(document.figures) == 1


def test_an_archive_replaced_while_planning(bench: Bench, bucket: MecaBucket) -> None:
    archive = bucket.add(DOI)
    other = make_meca(DOI, version=2)
    path = f"/{bucket.bucket}/{archive.key}"
    bench.s3.faults.script[path] = [lambda: bench.s3.put(bucket.bucket, archive.key, other.data)]
    assert [ref.id for ref in bench.refs(months="2026-01")] == [article_id(other)]


def test_an_archive_gone_while_planning(bench: Bench, bucket: MecaBucket) -> None:
    archive, other = bucket.add(DOI), bucket.add(NEW)
    path = f"/{bucket.bucket}/{archive.key}"
    bench.s3.faults.script[path] = [lambda: bench.s3.delete(bucket.bucket, archive.key)]
    assert [ref.id for ref in bench.refs(months="2026-01")] == [article_id(other)]


def test_another_article_than_planned_is_refused(bench: Bench, bucket: MecaBucket) -> None:
    bucket.add(DOI)
    (ref,) = bench.refs(months="2026-01")
    with bench.source() as source:
        wrong, damaged, revised = source.fetch(
            [
                msgspec.structs.replace(ref, id="10.64898_2026.01.14.700001v1"),
                msgspec.structs.replace(ref, locator="nonsense"),
                msgspec.structs.replace(ref, id=f"{ref.id}.r2", revision=2),
            ]
        )
    assert isinstance(wrong, Failure) and wrong.kind == "input" and "not 10.64898" in wrong.error
    assert isinstance(damaged, Failure) and damaged.kind == "input"
    assert isinstance(revised, Document) and revised.article.id == f"{ref.id}.r2"


def test_faults_lose_and_corrupt_nothing(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(12)
    bench.s3.faults = Faults(rate=0.2, seed=5, stall_seconds=0.5)
    options = {"timeout": 0.3, "attempts": 15, "min_rate": 1e5}
    refs = bench.refs(months="2026-01", **options)
    by_id = {article_id(archive): archive for archive in bucket.archives}
    assert {ref.id for ref in refs} == set(by_id)
    with bench.source(**options) as source:
        for document in source.fetch(refs):
            assert isinstance(document, Document)
            check(document, by_id[document.article.id])
    assert bench.s3.faults.injected and not bench.s3.visits


# -- DOIs, days, index --------------------------------------------------------------------------


def test_dois_are_searched_in_the_month_and_the_next(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(6, start=600_001)
    here = bucket.add(DOI, 2, date="2026-01-15")
    late = bucket.add(NEW, 1, traps=["month-end"])  # lies in February
    bench.api.add(DOI, 1, "2025-06-01")
    bench.api.add(DOI, 2, "2026-01-15")
    bench.api.add(NEW, 1, "2026-01-31")
    refs = bench.refs(input=[NEW, DOI])
    assert [ref.id for ref in refs] == [article_id(late), article_id(here)]
    with bench.source() as source:
        for archive, document in zip((late, here), source.fetch(refs), strict=True):
            check(document, archive)
            assert isinstance(document, Document) and document.article.source_license == "cc_by"
    strangers = [archive for archive in bucket.archives if archive not in (here, late)]
    assert all(len(bench.gets(archive)) == 1 for archive in strangers)  # labels only, no XML


def test_one_version_by_name_and_what_is_not_there(bench: Bench, bucket: MecaBucket) -> None:
    first, second = bucket.add(DOI, 1), bucket.add(DOI, 2)
    for version in (1, 2, 3):
        bench.api.add(DOI, version, "2026-01-14")
    assert names(bench.plan(input=f"{DOI}v1")) == [(article_id(first), "")]
    assert names(bench.plan(input=DOI)) == [("10.1101_2026.01.14.700001v3", "not-found")]
    assert names(bench.plan(input=DOI, versions="all")) == [
        ("10.1101_2026.01.14.700001v3", "not-found"),
        (article_id(first), ""),
        (article_id(second), ""),
    ]
    assert names(bench.plan(input=["10.1101/2026.01.01.5", f"{DOI}v9"])) == [
        ("10.1101_2026.01.01.5", "not-listed"),
        ("10.1101_2026.01.14.700001v9", "not-listed"),
    ]


def test_the_doi_has_to_match_whole(bench: Bench, bucket: MecaBucket) -> None:
    """Same suffix and same labels under the other prefix: only the XML tells."""
    bucket.add(NEW)
    bench.api.add(DOI, 1, "2026-01-14")
    assert names(bench.plan(input=DOI)) == [("10.1101_2026.01.14.700001v1", "not-found")]
    right = bucket.add(DOI)
    assert names(bench.plan(input=DOI)) == [(article_id(right), "")]


def test_dois_in_named_folders_need_no_api(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(3)
    bucket.add(NEW.replace("700001", "990001"), 1)
    latest = bucket.add(NEW.replace("700001", "990001"), 2, month="February_2026")
    items = bench.plan(input=latest.doi, months=["2026-01", "2026-02"])
    assert names(items) == [(article_id(latest)[:-1] + "1", "older-version"), (article_id(latest), "")]
    assert not bench.api.log


def test_a_search_that_could_not_see_all_says_so(bench: Bench, bucket: MecaBucket) -> None:
    archive = bucket.add(DOI)
    bench.api.add(DOI, 1, "2026-01-14")
    bench.s3.faults = Faults(rate=0.0, forever={archive.key})
    (drop,) = bench.plan(input=DOI)
    assert isinstance(drop, Drop) and drop.reason == "search-incomplete" and "extend" in drop.detail


def test_days_and_category(bench: Bench, bucket: MecaBucket) -> None:
    wanted = [
        bucket.add(f"10.1101/2026.01.14.{n}", date=f"2026-01-{n - 700_000:02d}") for n in (700_003, 700_004)
    ]
    for n in range(700_001, 700_009):
        category = "neuroscience" if n % 2 == 0 and n != 700_004 else "cell biology"
        bench.api.add(f"10.1101/2026.01.14.{n}", 1, f"2026-01-{n - 700_000:02d}", category)
    items = bench.plan(since="2026-01-03", until="2026-01-04", category="Cell Biology")
    assert names(items) == [(article_id(archive), "") for archive in wanted]
    assert len(bench.plan(since="2026-01-03", category="cell biology")) == 4  # two are not in the bucket


def test_what_the_filters_leave_out_is_not_fetched(bench: Bench, bucket: MecaBucket) -> None:
    for n, terms in ((1, "cc_by_nc"), (2, "cc_no"), (3, "cc_by"), (4, "odd"), (5, "")):
        bucket.add(f"10.1101/2026.01.14.70000{n}")
        bench.api.add(f"10.1101/2026.01.14.70000{n}", license=terms, without=() if terms else ("license",))
    refs = bench.refs(since="2026-01-14", until="2026-01-14")
    bench.s3.forget()
    with bench.source(cache="none") as source:
        source.accept = lambda article: metadata_drop(article, Filters(license="commercial"))
        answers = source.fetch(refs)
    assert [answer.reason if isinstance(answer, Drop) else "" for answer in answers] == ["license"] * 2 + [
        ""
    ] * 3
    assert {hit.path for hit in bench.s3.log} == {
        f"/{bucket.bucket}/{archive.key}" for archive in bucket.archives[2:]
    }
    assert [answer.article.source_license for answer in answers if isinstance(answer, Document)] == [
        "cc_by",
        "odd",
        "",
    ]


def test_an_index_saves_the_search(bench: Bench, bucket: MecaBucket, tmp_path: Path) -> None:
    bucket.fill(5)
    first, second = bucket.add(DOI, 1), bucket.add(DOI, 2)
    index = tmp_path / "index.csv"
    rows = [f"{DOI},{archive.version},{archive.key}" for archive in (first, second)]
    rows += [f"10.1101/2026.01.01.8,1,{first.key}", "10.1101/2026.01.01.9,1,Current_Content/x.meca"]
    index.write_text("\n".join(["doi,version,s3Key", *rows]))
    items = bench.plan(index=str(index))
    assert names(items) == [
        ("10.1101_2026.01.01.8v1", "not-found"),
        ("10.1101_2026.01.01.9v1", "not-found"),
        (article_id(second), ""),
    ]
    assert not bench.api.log
    assert not any(bench.gets(archive) for archive in bucket.archives[:5])
    assert names(bench.plan(index=str(index), input=f"{DOI}v1")) == [(article_id(first), "")]


# -- budget, survey, offline --------------------------------------------------------------------


def test_a_budget_ends_the_plan(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(6)
    free = bench.plan(months="2026-01")
    with bench.source(months="2026-01") as source:
        sizes = [answer.size for answer in source.survey([ref for ref in free if isinstance(ref, ArticleRef)])
                 if isinstance(answer, Survey)]  # fmt: skip
    bench.s3.forget()
    items = bench.plan(months="2026-01", budget_gb=sum(sizes[:3]) / 1e9)  # planning came from the cache
    assert [reason for _, reason in names(items)] == [""] * 3 + ["over-budget"] * 3
    with pytest.raises(UsageError, match="budget_gb"):
        bench.plan(months="2026-01", budget_gb=2e-5, cache="none")


def test_a_worker_stops_at_the_budget(bench: Bench, bucket: MecaBucket) -> None:
    bucket.fill(3)
    refs = bench.refs(months="2026-01")
    size = max(len(data) for archive in bucket.archives for data in [archive.data])
    bench.s3.forget()
    with bench.source(budget_gb=size / 1e9) as source:
        reasons = []
        for document in source.fetch(refs):
            assert isinstance(document, Document)
            for figure in document.figures:
                try:
                    document.read(figure)
                except TransientError as error:
                    reasons.append(str(error))
    assert reasons and all("budget_gb" in reason for reason in reasons)
    assert sum(hit.bytes for hit in bench.s3.log) <= size


def test_survey(bench: Bench, bucket: MecaBucket) -> None:
    archive = bucket.add(DOI, license="CC BY-NC", figures=3)
    (ref,) = bench.refs(months="2026-01")
    bench.s3.forget()
    with bench.source() as source:
        (answer, lost) = source.survey([ref, ArticleRef(id="x", locator="?")])
    assert not bench.s3.log
    assert isinstance(answer, Survey) and isinstance(lost, Failure)
    assert (answer.id, answer.license, answer.files) == (ref.id, "CC BY-NC", 4)
    assert 0.5 * len(archive.data) < answer.size < len(archive.data)


def test_offline_from_the_cache(bench: Bench, bucket: MecaBucket) -> None:
    archive, other = bucket.add(DOI), bucket.add(NEW)
    refs = bench.refs(months="2026-01")
    with bench.source() as source:
        check(source.fetch(refs[:1])[0], archive)
    bench.s3.forget()
    with bench.source(offline=True, requester_pays=False) as source:
        first, second = source.fetch(refs)
        check(first, archive)
        assert isinstance(second, Document) and second.article.ids.doi == other.doi
        with pytest.raises(TransientError, match="offline"):
            second.read(second.figures[0])
    assert not bench.s3.log


def test_only_what_shapes_the_bytes_is_identity() -> None:
    kept = set(BiorxivSource.Options.model_fields) - BiorxivSource.circumstantial
    assert kept == {"prefer"}
    assert BiorxivSource.selecting <= BiorxivSource.circumstantial


# -- conformance --------------------------------------------------------------------------------


class TestBiorxiv(SourceSuite):
    bench: Bench

    @pytest.fixture(autouse=True)
    def _bench(self, bench: Bench, bucket: MecaBucket) -> None:
        bucket.fill(3)
        TestBiorxiv.bench = bench

    @staticmethod
    def make() -> PreprintSource:
        return TestBiorxiv.bench.source(months="2026-01")


class TestMedrxiv(SourceSuite):
    bench: Bench

    @pytest.fixture(autouse=True)
    def _bench(self, bench: Bench, s3: S3StandIn) -> None:
        MecaBucket(s3, "medrxiv-src-monthly", "medrxiv").fill(2)
        TestMedrxiv.bench = bench

    @staticmethod
    def make() -> PreprintSource:
        return TestMedrxiv.bench.source(MedrxivSource, months="2026-01")


# -- real archives ------------------------------------------------------------------------------


@pytest.mark.real_data
def test_a_real_archive(bench: Bench, shared_data: Path) -> None:
    data = (shared_data / "interfaces" / "meca" / "95901-v1-meca.zip").read_bytes()
    bench.s3.put("medrxiv-src-monthly", "Current_Content/January_2024/01c7bc4a.meca", data)
    bench.s3.requester_pays("medrxiv-src-monthly")
    with bench.source(MedrxivSource, months="2024-01") as source:
        (ref,) = source.plan()
        assert isinstance(ref, ArticleRef) and ref.id == "10.1101_2024.01.24.24301711v1"
        fetched = sum(hit.bytes for hit in bench.s3.log if ".meca" in hit.path)
        assert fetched < 36_000 and len(data) > 1_500_000
        (document,) = source.fetch([ref])
        assert isinstance(document, Document)
        (figure,) = document.figures
        assert figure.image.name == "content/24301711v1_fig1.tif"
        assert document.article.license.spdx == "CC-BY-4.0"
        image = document.read(figure)
        assert len(image) == 9_914_496 and image[:4] in (b"II*\0", b"MM\0*")
        assert sum(hit.bytes for hit in bench.s3.log if ".meca" in hit.path) < fetched + 380_000


@pytest.mark.real_data
def test_the_real_archive_is_found_by_its_doi(bench: Bench, shared_data: Path) -> None:
    data = (shared_data / "interfaces" / "meca" / "95901-v1-meca.zip").read_bytes()
    bench.s3.put("medrxiv-src-monthly", "Current_Content/February_2024/01c7bc4a.meca", data)
    bench.s3.requester_pays("medrxiv-src-monthly")
    with BiorxivStandIn("medrxiv") as api:
        api.add("10.1101/2024.01.24.24301711", 1, "2024-01-24", "cardiovascular medicine", "cc_by")
        with bench.source(MedrxivSource, input="10.1101/2024.01.24.24301711", api=api.url) as source:
            (ref,) = source.plan()
    assert isinstance(ref, ArticleRef) and ref.id == "10.1101_2024.01.24.24301711v1"


@pytest.mark.real_data
def test_both_renditions_give_figures_with_their_files(bench: Bench, shared_data: Path) -> None:
    """The archive (figure ids of the manifest, TIFF) and the website's XML (HighWire ids, no suffix)."""
    website = FolderSource({"input": [str(shared_data / "articles" / "2022.03.15.484463")]})
    with website:
        (document,) = website.fetch(list(website.plan()))
        assert isinstance(document, Document) and len(document.figures) == 4
        for number, figure in enumerate(document.figures, 1):
            assert figure.image.name == f"484463v1_fig{number}" and figure.caption
            assert document.read(figure)[:3] == b"\xff\xd8\xff"
    archive = FolderSource({"input": [str(shared_data / "interfaces" / "meca" / "95901-v1-meca.zip")]})
    with archive:
        (document,) = archive.fetch(list(archive.plan()))
        assert isinstance(document, Document)
        assert [figure.image.name for figure in document.figures] == ["content/24301711v1_fig1.tif"]
