"""The stream: a pure function of options and index, whoever asks and in whatever order."""

from __future__ import annotations

import hashlib
import itertools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmcx.core.errors import UsageError
from pmcx.training.synth.export import encoded
from pmcx.training.synth.sample import Sample
from pmcx.training.synth.stream import SynthOptions, SynthStream


def digest(sample: Sample) -> str:
    facts = (sample.index, sample.panels, sample.caption, sample.parts, sample.dark, sample.compound)
    return hashlib.sha256(sample.pixels.tobytes() + repr(facts).encode()).hexdigest()


def test_a_sample_depends_on_its_index_alone() -> None:
    stream = SynthStream(SynthOptions(seed=4))
    forward = [digest(stream.sample(index)) for index in range(25)]
    backward = [digest(stream.sample(index)) for index in reversed(range(25))]
    assert forward == backward[::-1]
    assert len(set(forward)) == 25


def test_seed_and_options_change_the_figures() -> None:
    base = [digest(SynthStream(SynthOptions(seed=1)).sample(i)) for i in range(5)]
    for options in (SynthOptions(seed=2), SynthOptions(seed=1, size=320)):
        stream = SynthStream(options)
        assert all(digest(stream.sample(i)) != one for i, one in enumerate(base))


def test_global_generators_are_neither_read_nor_moved() -> None:
    stream = SynthStream(SynthOptions())
    np.random.seed(1)
    random.seed(1)
    first = digest(stream.sample(3))
    kept = (np.random.get_state()[1].copy(), random.getstate())  # type: ignore[index, union-attr]
    np.random.seed(2)
    random.seed(2)
    assert digest(stream.sample(3)) == first
    np.random.seed(1)
    random.seed(1)
    assert np.array_equal(np.random.get_state()[1], kept[0])  # type: ignore[index]
    assert random.getstate() == kept[1]


def test_workers_share_the_stream_without_loss_or_doubles() -> None:
    stream = SynthStream(SynthOptions(seed=9), start=100)
    whole = [sample.index for sample in itertools.islice(stream, 12)]
    assert whole == list(range(100, 112))
    parts = [[s.index for s in itertools.islice(stream.worker(n, 4), 3)] for n in range(4)]
    assert sorted(index for part in parts for index in part) == whole
    nested = [s.index for s in itertools.islice(stream.worker(1, 2).worker(1, 3), 3)]
    assert nested == [103, 109, 115]


def test_worker_numbers_are_checked() -> None:
    with pytest.raises(UsageError, match="worker 4 of 4"):
        SynthStream(SynthOptions()).worker(4, 4)


@pytest.mark.slow
def test_one_and_four_processes_give_the_same_bytes() -> None:
    options = SynthOptions(seed=6, size=256)
    alone = [(facts["index"], hashlib.sha256(data).hexdigest()) for facts, data in encoded(options, 40, 1)]
    shared = [(facts["index"], hashlib.sha256(data).hexdigest()) for facts, data in encoded(options, 40, 4)]
    assert alone == shared


def test_a_fresh_process_gives_the_same_figures() -> None:
    """String hashing is seeded by process; nothing may depend on it."""
    code = (
        "from pmcx.training.synth.stream import *; import hashlib;"
        "s = SynthStream(SynthOptions(seed=3));"
        "print(hashlib.sha256(b''.join(s.sample(i).pixels.tobytes() for i in range(30))).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
    assert len(seen.pop()) == 65


def test_share_of_singles_is_as_asked() -> None:
    for share in (0.0, 0.5, 1.0):
        stream = SynthStream(SynthOptions(seed=2, singles=share, size=160))
        found = np.mean([not stream.sample(index).compound for index in range(80)])
        assert found == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize(
    "wrong", [{"size": 20}, {"size": 9000}, {"singles": 1.2}, {"crowd": -0.1}, {"strength": 2.0}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SynthOptions(**wrong)  # type: ignore[arg-type]


def test_a_missing_layout_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no layout file"):
        SynthStream(SynthOptions(layouts=tmp_path / "absent.csv"))


@pytest.mark.real_data
def test_real_layouts_feed_the_stream(shared_data: Path) -> None:
    path = shared_data / "layouts" / "zou_train.csv"
    stream = SynthStream(SynthOptions(seed=1, layouts=path, size=320))
    samples = [stream.sample(index) for index in range(150)]
    counts = [len(sample.panels) for sample in samples if sample.compound]
    assert 3.0 < np.mean(counts) < 5.0
    plain = SynthStream(SynthOptions(seed=1, size=320))
    assert any(digest(a) != digest(plain.sample(a.index)) for a in samples[:10])


def test_pools_give_panels_and_wrong_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pool"):
        SynthStream(SynthOptions(pools=(tmp_path,)))
    rows = ["file\tclass\ttrain_ok"]
    for number in range(8):
        noise = np.random.default_rng(number).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png\tendoscopy\tyes")
    (tmp_path / "MANIFEST.tsv").write_text("\n".join(rows) + "\n")
    stream = SynthStream(SynthOptions(pools=(tmp_path,), size=256, seed=1))
    seen = {panel.modality for index in range(150) for panel in stream.sample(index).panels}
    assert "endoscopy" in seen
    assert len(seen) > 2
