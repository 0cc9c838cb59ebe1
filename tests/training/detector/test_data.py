"""Figures as the network takes them."""

from __future__ import annotations

from collections.abc import Iterator

import needs_training  # noqa: F401
import pytest
import torch

from pmcx.training.detector.data import Figures, batches, collate, normalised
from pmcx.training.synth.stream import SynthOptions, SynthStream

OPTIONS = SynthOptions(size=160, seed=4)


@pytest.fixture(autouse=True)
def _state() -> Iterator[None]:
    """The random state, which no figure may touch."""
    torch.manual_seed(8)
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


def test_a_figure_is_a_function_of_its_index() -> None:
    forwards, backwards = Figures(OPTIONS, 96), Figures(OPTIONS, 96)
    first = [forwards[i] for i in range(6)]
    second = [backwards[i] for i in reversed(range(6))][::-1]
    for (pixels, boxes), (others, more) in zip(first, second, strict=True):
        assert torch.equal(pixels, others) and torch.equal(boxes, more)
    assert not any(torch.equal(first[0][0], pixels) for pixels, _ in first[1:])


def test_boxes_are_relative_and_inside() -> None:
    figures, stream = Figures(OPTIONS, 96), SynthStream(OPTIONS)
    seen = 0
    for index in range(20):
        pixels, boxes = figures[index]
        sample = stream.sample(index)
        assert pixels.shape == (3, 96, 96) and pixels.dtype == torch.uint8
        assert boxes.shape == (len(sample.panels), 4) and boxes.dtype == torch.float32
        assert bool((boxes >= 0).all()) and bool((boxes <= 1).all())
        assert bool((boxes[:, :2] < boxes[:, 2:]).all())
        height, width = sample.pixels.shape[:2]
        back = (boxes * torch.tensor([width, height, width, height])).round().long().tolist()
        assert [tuple(box) for box in back] == [panel.tight for panel in sample.panels]
        seen += len(boxes)
    assert seen > 20


def test_pixels_are_the_streams_squeezed() -> None:
    figures, stream = Figures(OPTIONS, 96), SynthStream(OPTIONS)
    for index in range(4):
        shown = figures[index][0].float().mean(dim=(1, 2))
        whole = torch.from_numpy(stream.sample(index).pixels).float().mean(dim=(0, 1))
        assert torch.allclose(shown, whole, atol=3.0)


def test_the_first_figures_are_small() -> None:
    figures = Figures(OPTIONS, 96, small=64, few=2)
    assert [figures[i][0].shape[-1] for i in range(4)] == [64, 64, 96, 96]
    plain = Figures(OPTIONS, 96)
    assert all(torch.equal(figures[i][1], plain[i][1]) for i in range(4))


def test_batches_are_the_same_with_worker_processes() -> None:
    figures = Figures(OPTIONS, 96, small=64, few=3)
    alone = list(batches(figures, 3, 0, 4, workers=0))
    shared = list(batches(figures, 3, 0, 4, workers=2))
    assert [pixels.shape for pixels, _ in alone] == [(3, 3, 64, 64)] + [(3, 3, 96, 96)] * 3
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one[0], other[0])
        assert all(torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))
    later = list(batches(figures, 3, 2, 2, workers=0))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(later, alone[2:], strict=True))
    assert torch.equal(collate([figures[3], figures[4], figures[5]])[0], alone[1][0])


def test_normalised() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert normalised(pixels).flatten().tolist() == pytest.approx([0.0, 0.2, 1.0])
    assert pixels.flatten().tolist() == [0, 51, 255]
