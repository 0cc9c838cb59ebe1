"""The network that ``pmcx train detector`` trains, and the dense loss on its proposals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import needs_training  # noqa: F401
import pytest
import torch

from pmcx.training.detector import network as net
from pmcx.training.detector.data import targets
from pmcx.training.detector.network import TINY, Shape, build, corners, dense_loss, giou, places, proposals

SMALL = replace(TINY, side=96, queries=10, width=32, backbone=(8, 16, 32, 64))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def logits_of(boxes: torch.Tensor) -> torch.Tensor:
    """Unscaled centre, width and height of relative corner boxes."""
    middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    return torch.logit(torch.cat([middle, size], dim=-1), eps=1e-6)


def test_the_same_seed_draws_the_same_weights_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = build(SMALL, 3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    same, other = build(SMALL, 3).state_dict(), build(SMALL, 4).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)
    convolutions = [key for key, value in one.items() if value.ndim == 4]
    assert len(convolutions) > 20
    assert not any(torch.equal(one[key], other[key]) for key in convolutions)


def test_weights_train() -> None:
    """Batch norms learn and start as the identity, and features neither vanish nor explode."""
    network = build(SMALL).train()
    norms = [m for m in network.modules() if "BatchNorm" in type(m).__name__]
    assert len(norms) > 20
    assert all(isinstance(m, torch.nn.BatchNorm2d) and bool((m.weight == 1).all()) for m in norms)
    # Each of the backbone's maps, as the encoder gets them.
    maps = network.model.conv_encoder(torch.rand(4, 3, SMALL.side, SMALL.side))
    spreads = [float(one.detach().std()) for one in maps]
    assert all(0.05 < spread < 20 for spread in spreads), spreads


def test_sizes() -> None:
    shipped = sum(p.numel() for p in build(Shape()).parameters())
    tiny = sum(p.numel() for p in build(TINY).parameters())
    assert 1e6 < shipped < 12e6
    assert 0.4e6 < tiny < 0.9e6
    config = net.configuration(SMALL)
    assert (config.num_queries, config.id2label) == (10, {0: "panel"})


@pytest.mark.parametrize("side", [64, 96, 160])
def test_proposals_are_the_models_own(side: int) -> None:
    network = build(SMALL, 1).eval()
    with torch.no_grad():
        for module in network.modules():  # a score head that answers something
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.normal_(module.weight, std=0.1)
        pixels = torch.rand(2, 3, side, side)
        out = network(pixel_values=pixels)
        score, box = proposals(network, pixels)
    assert score.shape[:2] == box.shape[:2] == (2, len(places(side)))
    assert torch.equal(score, out.enc_outputs_class)
    assert torch.equal(box, out.enc_outputs_coord_logits)
    assert float(score.std()) > 1e-4


def test_places_are_the_encoders_anchors() -> None:
    network = build(SMALL)
    for side in (64, 96, 160):
        sizes = tuple((math.ceil(side / s), math.ceil(side / s)) for s in net.STRIDES)
        anchors, valid = network.model.generate_anchors(sizes, device="cpu", dtype=torch.float32)
        middles = anchors.sigmoid()[0, :, :2]
        inside = valid[0, :, 0].bool() if valid.dtype == torch.bool else valid[0, :, 0] > 0
        assert inside.sum() > len(inside) * 0.9
        assert torch.allclose(places(side)[inside], middles[inside], atol=1e-5)


# -- boxes ------------------------------------------------------------------------------------------


def test_corners() -> None:
    got = corners(torch.tensor([[0.5, 0.4, 0.2, 0.6]]))
    assert torch.allclose(got, torch.tensor([[0.4, 0.1, 0.6, 0.7]]))


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ((0, 0, 1, 1), (0, 0, 1, 1), 1.0),
        ((0, 0, 2, 2), (0, 0, 2, 1), 0.5),  # inside: IoU alone
        ((0, 0, 2, 1), (1, 0, 3, 1), 1 / 3),  # their hull is full
        ((0, 0, 1, 1), (1, 1, 2, 2), -0.5),  # touching at a corner: half the hull is empty
        ((0, 0, 1, 1), (3, 0, 4, 1), -0.5),
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7 - 2 / 9),
        ((0, 0, 0, 0), (0, 0, 1, 1), 0.0),  # a box without area
    ],
)
def test_giou(one: tuple[float, ...], two: tuple[float, ...], expected: float) -> None:
    a, b = torch.tensor([one], dtype=torch.float32), torch.tensor([two], dtype=torch.float32)
    assert float(giou(a, b)) == pytest.approx(expected, abs=1e-5)
    assert float(giou(b, a)) == pytest.approx(expected, abs=1e-5)


def test_targets_have_centres_and_the_boxes_device() -> None:
    (one,) = targets([torch.tensor([[0.1, 0.2, 0.5, 0.4]], device="meta")])
    assert one["boxes"].device.type == one["class_labels"].device.type == "meta"
    full, none = targets([torch.tensor([[0.1, 0.2, 0.5, 0.4]]), torch.zeros(0, 4)])
    assert torch.allclose(full["boxes"], torch.tensor([[0.3, 0.3, 0.4, 0.2]]))
    assert full["class_labels"].tolist() == [0]
    assert none["boxes"].shape == (0, 4) and none["class_labels"].shape == (0,)


# -- the dense loss ------------------------------------------------------------------------------------


def test_dense_targets_by_hand() -> None:
    points = torch.tensor([[0.1, 0.1], [0.25, 0.5], [0.6, 0.5], [0.75, 0.5], [0.95, 0.95]])
    left, right = [0.0, 0.0, 0.5, 1.0], [0.5, 0.25, 1.0, 0.75]
    target, weight, middle = net._dense_targets(points, [torch.tensor([left, right]), torch.zeros(0, 4)])
    assert target[0, :4].tolist() == [left, left, right, right]
    share = 1 / math.sqrt(2)  # two points each
    assert weight[0].tolist() == pytest.approx([share, share, share, share, 0.0])
    # (1 - .6²)(1 - .8²), in the middle, .6 off across, in the middle.
    assert middle[0].tolist() == pytest.approx([0.48, 1.0, math.sqrt(1 - 0.6**2), 1.0, 0.0], abs=1e-5)
    assert not weight[1].any() and not middle[1].any()


def test_true_boxes_cost_nothing_and_others_what_they_should() -> None:
    box = torch.tensor([0.25, 0.25, 0.75, 0.75])
    count = len(places(64))
    right = logits_of(box).expand(1, count, 4)
    assert float(dense_loss(right, 64, [box[None]])) == pytest.approx(0.0, abs=1e-4)
    half = torch.tensor([0.25, 0.25, 0.75, 0.5])
    # IoU .5 within the truth, one edge a quarter off.
    loss = float(dense_loss(logits_of(half).expand(1, count, 4), 64, [box[None]]))
    assert loss == pytest.approx(2 * 0.5 + 5 * 0.25, abs=1e-3)


def test_places_outside_of_all_panels_teach_no_box() -> None:
    logits = torch.zeros(1, len(places(64)), 4, requires_grad=True)
    box = torch.tensor([[0.0, 0.0, 0.5, 1.0]])
    dense_loss(logits, 64, [box]).backward()
    inside = places(64)[:, 0] < 0.5
    assert logits.grad is not None
    taught = logits.grad[0].abs().sum(1) > 0
    assert torch.equal(taught, inside)


def test_small_panels_are_heard() -> None:
    """A panel of one place weighs a quarter, not a sixteenth, of one of sixteen places."""
    points = places(128)
    large, small = torch.tensor([0.0, 0.0, 0.5, 0.5]), torch.tensor([0.5, 0.5, 0.6, 0.6])
    _, weight, _ = net._dense_targets(points, [torch.stack([large, small])])
    owner = ((points >= 0.5) & (points < 0.6)).all(1)
    first = (points < 0.5).all(1)
    assert float(weight[0][first].sum()) == pytest.approx(math.sqrt(int(first.sum())), rel=1e-5)
    assert float(weight[0][owner].sum()) == pytest.approx(math.sqrt(int(owner.sum())), rel=1e-5)


def test_scores_learn_where_the_box_is_right() -> None:
    box = torch.tensor([0.0, 0.0, 0.5, 1.0])
    count = len(places(64))
    logits = logits_of(box).expand(1, count, 4)
    inside = places(64)[:, 0] < 0.5
    _, _, middle = net._dense_targets(places(64), [box[None]])
    ideal = torch.logit(middle, eps=1e-4)[..., None]
    everywhere = torch.full((1, count, 1), 4.0)
    assert dense_loss(logits, 64, [box[None]], ideal) < dense_loss(logits, 64, [box[None]], everywhere)
    scores = torch.zeros(1, count, 1, requires_grad=True)
    dense_loss(logits, 64, [box[None]], scores).backward()
    assert scores.grad is not None
    # Too low in the middle of the panel, too high outside.
    assert bool((scores.grad[0, ~inside, 0] > 0).all())
    assert bool((scores.grad[0, middle[0] > 0.7, 0] < 0).all()) and bool((middle[0] > 0.7).any())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_unsound_logits_are_left_out(bad: float) -> None:
    count = len(places(64))
    logits = torch.zeros(1, count, 4)
    logits[0, 3] = bad
    scores = torch.zeros(1, count, 1)
    logits.requires_grad_()
    loss = dense_loss(logits, 64, [torch.tensor([[0.0, 0.0, 1.0, 1.0]])], scores)
    loss.backward()
    assert bool(torch.isfinite(loss)) and logits.grad is not None and bool(torch.isfinite(logits.grad).all())


def grid(count: int) -> torch.Tensor:
    """``count`` x ``count`` relative boxes without overlap."""
    line = [k / count for k in range(count)]
    return torch.tensor([[x, y, x + 0.9 / count, y + 0.9 / count] for y in line for x in line])


@pytest.mark.parametrize(
    "boxes",
    [
        pytest.param(lambda: [torch.zeros(0, 4)] * 2, id="no box in the batch"),
        pytest.param(lambda: [torch.zeros(0, 4), grid(2)], id="one figure without boxes"),
        pytest.param(lambda: [grid(11), grid(1)], id="more boxes than queries"),
        pytest.param(lambda: [torch.tensor([[0.5, 0.5, 0.5001, 0.5001]]), grid(2)], id="a box of no pixel"),
    ],
)
@pytest.mark.parametrize("denoising", [0, 12])
def test_gradients_are_finite(boxes: Any, denoising: int) -> None:
    network = build(replace(SMALL, denoising=denoising)).train()
    torch.manual_seed(0)
    pixels = torch.rand(2, 3, SMALL.side, SMALL.side)
    truth = boxes()
    out = network(pixel_values=pixels, labels=targets(truth))
    loss = out.loss + dense_loss(out.enc_outputs_coord_logits, SMALL.side, truth)
    loss.backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(grads) > 100 and bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(g).all()) for g in grads)
    network.zero_grad()
    score, box = proposals(network, pixels)
    dense_loss(box, SMALL.side, truth, score).backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(grads) > 50 and all(bool(torch.isfinite(g).all()) for g in grads)
