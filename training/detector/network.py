"""The network: DEIMv2 (a real-time DETR) on a small HGNetV2, built from a configuration of transformers.

Source: Huang et al., "Real-Time Object Detection Meets DINOv3" (DEIMv2, 2025), whose N model has this shape.
The weights that transformers draws do not train from scratch: batch norms are frozen, convolutions drawn with
one standard deviation whatever their fan-in. :func:`build` mends that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

LABELS = {0: "panel"}
STRIDES = (16, 32)
"""Of the maps on which queries look."""


@dataclass(frozen=True)
class Shape:
    """Size of the network; ``side`` is the square input in pixels, to which figures are squeezed."""

    side: int = 224
    queries: int = 80
    width: int = 128
    layers: int = 3
    backbone: tuple[int, ...] = (64, 256, 512, 1024)
    """Channels after strides 4, 8, 16 and 32."""
    denoising: int = 0


TINY = Shape(side=160, queries=24, width=64, layers=2, backbone=(32, 64, 128, 256), denoising=0)
"""What a CPU trains in minutes: for tests of the recipe, not for use."""


def build(shape: Shape, seed: int = 0) -> Any:
    """A ``Deimv2ForObjectDetection`` with weights that train; the same for the same ``seed``."""
    from transformers import Deimv2ForObjectDetection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Deimv2ForObjectDetection(configuration(shape))
        _redraw(network)
    return network


def configuration(shape: Shape) -> Any:
    """The ``Deimv2Config`` of a shape."""
    from transformers import Deimv2Config, HGNetV2Config

    out = list(shape.backbone)
    mid = [max(8, c // 8) if k else max(8, c // 4) for k, c in enumerate(out)]
    backbone = HGNetV2Config(
        embedding_size=16,
        hidden_sizes=out,
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, *out[:-1]],
        stage_mid_channels=mid,
        stage_out_channels=out,
        stage_num_blocks=[1, 1, 2, 1],
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        stage_numb_of_layers=[3, 3, 3, 3],
        out_features=["stage3", "stage4"],  # type: ignore[call-arg]
    )
    width = shape.width
    return Deimv2Config(
        backbone_config=backbone,
        freeze_backbone_batch_norms=False,
        id2label=dict(LABELS),
        label2id={name: index for index, name in LABELS.items()},
        num_queries=shape.queries,
        d_model=width,
        encoder_hidden_dim=width,
        encoder_in_channels=out[2:],
        decoder_in_channels=[width, width],
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        feat_strides=list(STRIDES),
        num_feature_levels=len(STRIDES),
        encode_proj_layers=[1],
        decoder_layers=shape.layers,
        decoder_n_points=6,
        depth_mult=0.5,
        num_denoising=shape.denoising,
        # Layers taught by the last one, which is their sum, run away together: every box's distribution then
        # collapses onto "no change".
        weight_loss_ddf=0.0,
    )


def _redraw(network: Any) -> None:
    """Convolutions by their fan-out (He et al. 2015), batch norms as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def proposals(network: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The encoder's proposals without the decoder: ``(b, t, 1)`` score and ``(b, t, 4)`` box logits.

    The part of ``Deimv2Model.forward`` before queries are chosen.
    """
    model = network.model
    maps = model.encoder(model.conv_encoder(pixels)).feature_maps
    maps = [project(one) for project, one in zip(model.decoder_input_proj, maps, strict=True)]
    flat = torch.cat([one.flatten(2).transpose(1, 2) for one in maps], dim=1)
    sizes = tuple((one.shape[-2], one.shape[-1]) for one in maps)
    anchors, valid = model.generate_anchors(sizes, device=flat.device, dtype=flat.dtype)
    memory = model.enc_output(valid.to(flat.dtype) * flat)
    return model.enc_score_head(memory), model.enc_bbox_head(memory) + anchors


def dense_loss(
    logits: torch.Tensor, side: int, boxes: list[torch.Tensor], scores: torch.Tensor | None = None
) -> torch.Tensor:
    """Every place inside a panel says where that panel's edges are: a loss on the encoder's proposals.

    The set loss of a DETR teaches as many queries as there are panels; this teaches every place of both maps,
    so that a backbone without pretrained weights learns from few figures. ``logits`` are the ``(b, t, 4)``
    unscaled centre, width and height of all places of the maps of a ``side`` pixel input; ``boxes`` are
    ``(n, 4)`` relative ``x0, y0, x1, y1`` without overlap. 1 - GIoU and L1, in which every panel weighs the
    square root of the places that it covers. ``scores``, ``(b, t, 1)`` logits, learn the GIoU of their
    box by binary cross-entropy, less the further a place is from its panel's middle.
    """
    points = places(side).to(logits.device)
    target, weight, middle = _dense_targets(points, boxes)
    sound = torch.isfinite(logits).all(-1) & (logits.abs() < 1e4).all(-1)
    chosen = (weight > 0) & sound
    found = corners(logits.clamp(-20, 20).sigmoid())
    loss = logits.new_zeros(())
    if bool(chosen.any()):
        one, two, share = found[chosen], target[chosen], weight[chosen]
        each = 2.0 * (1 - giou(one, two)) + 5.0 * (one - two).abs().sum(1)
        loss = (each * share).sum() / share.sum()
    if scores is not None:
        quality = torch.zeros_like(weight)
        quality[chosen] = giou(found[chosen], target[chosen]).clamp(min=0).detach() * middle[chosen]
        wrong = nn.functional.binary_cross_entropy_with_logits(scores[..., 0], quality, reduction="none")
        loss = loss + wrong[sound].mean() * 5.0
    return loss


def corners(boxes: torch.Tensor) -> torch.Tensor:
    """Centre, width and height as ``x0, y0, x1, y1``, over the last axis."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def places(side: int) -> torch.Tensor:
    """``(t, 2)`` relative x and y of the places of the maps, in the encoder's order."""
    out = []
    for stride in STRIDES:
        count = math.ceil(side / stride)
        line = (torch.arange(count) + 0.5) / count
        out.append(torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(-1, 2))
    return torch.cat(out)


def _dense_targets(
    points: torch.Tensor, boxes: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``(b, t, 4)`` boxes that the points lie in, their ``(b, t)`` weights, 0 outside of all, and how near
    to the middle of their box the points are (1 in it, 0 at an edge)."""
    target = points.new_zeros(len(boxes), len(points), 4)
    weight = points.new_zeros(len(boxes), len(points))
    middle = points.new_zeros(len(boxes), len(points))
    for index, group in enumerate(boxes):
        if not len(group):
            continue
        inside = ((points >= group[:, None, :2]) & (points < group[:, None, 2:])).all(-1)
        covered, owner = inside.any(0), inside.float().argmax(0)
        mine = group[owner]
        target[index] = mine
        weight[index] = covered * inside.sum(1).clamp(min=1).float().rsqrt()[owner]
        off = (2 * (points - mine[:, :2]) / (mine[:, 2:] - mine[:, :2]).clamp(min=1e-6) - 1).abs()
        middle[index] = covered * (1 - off.clamp(max=1).square()).prod(-1).sqrt()
    return target, weight, middle


def giou(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Generalised IoU of ``(n, 4)`` boxes row by row (Rezatofighi et al. 2019)."""
    low, high = torch.maximum(one[:, :2], two[:, :2]), torch.minimum(one[:, 2:], two[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (one, two)]
    union = areas[0] + areas[1] - shared
    hull = (torch.maximum(one[:, 2:], two[:, 2:]) - torch.minimum(one[:, :2], two[:, :2])).prod(1)
    tiny = 1e-7
    return shared / (union + tiny) - (hull - union) / (hull + tiny)
