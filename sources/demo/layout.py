"""Where the panels of a demo figure stand: trees of rows and columns that fill a rectangle.

Frequencies of panel counts and gaps follow published counts over 9,642 figures (Zou et al. 2020 layout
annotations): 39 % single panels, 23 % two, 11 % three, 11 % four; a fifth of the gaps are zero or a few
pixels wide.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from ...core.records import Box

COUNTS = {1: 34, 2: 20, 3: 13, 4: 13, 5: 5, 6: 7, 7: 3, 8: 3, 9: 2}


@dataclasses.dataclass(frozen=True)
class Node:
    """A leaf (``leaf`` >= 0, with its aspect), an empty place, or a row / column of parts."""

    across: bool = True
    parts: tuple[Node, ...] = ()
    leaf: int = -1
    aspect: float = 1.0

    def ratio(self) -> float:
        """Width over height that fits all leaves at their own aspects (gaps left aside)."""
        if not self.parts:
            return self.aspect
        if self.across:
            return sum(p.ratio() for p in self.parts)
        return 1 / sum(1 / p.ratio() for p in self.parts)


def _leaves(aspects: Sequence[float], first: int) -> list[Node]:
    return [Node(leaf=first + k, aspect=a) for k, a in enumerate(aspects)]


def _rows(aspects: Sequence[float], sizes: Sequence[int], across: bool) -> Node:
    """Lines of ``sizes`` leaves each: rows below each other, or columns beside each other."""
    lines, at = [], 0
    for size in sizes:
        leaves = _leaves(aspects[at : at + size], at)
        lines.append(leaves[0] if size == 1 else Node(across=across, parts=tuple(leaves)))
        at += size
    return lines[0] if len(lines) == 1 else Node(across=not across, parts=tuple(lines))


def _split(rng: random.Random, count: int, most: int) -> list[int]:
    """``count`` as a sum of line lengths of at most ``most``."""
    lines = max(1, -(-count // most))
    if lines < count and rng.random() < 0.35:
        lines += 1
    sizes = [count // lines] * lines
    for k in rng.sample(range(lines), count - sum(sizes)):
        sizes[k] += 1
    rng.shuffle(sizes)
    return sizes


def grid(aspects: Sequence[float], rng: random.Random) -> Node:
    """Equal panels in full rows, as series of images are shown."""
    count = len(aspects)
    same = [sum(aspects) / count] * count
    shapes = [c for c in range(1, count + 1) if count % c == 0 and 0.55 < c * c / count * same[0] < 3.1]
    if shapes:
        columns = rng.choice(shapes)
        return _rows(same, [columns] * (count // columns), True)
    # No full grid has a usable outline: the last row stays short.
    columns = -(-count // 2)
    full, last = same[:columns], same[columns:]
    blank = [Node(aspect=same[0])] * (2 * columns - count)
    rows = (Node(parts=tuple(_leaves(full, 0))), Node(parts=(*_leaves(last, columns), *blank)))
    return Node(across=False, parts=rows)


def tree(aspects: Sequence[float], rng: random.Random) -> Node:
    """A layout of unequal panels whose outline is between .56 and 2.4 wide where that can be had."""
    best: tuple[float, Node] | None = None
    for _ in range(24):
        node = _propose(aspects, rng)
        ratio = node.ratio()
        miss = 3 * max(0.62 - ratio, 0.6 * (ratio - 2.3), 0.0) + 0.4 * max(0.0, _spread(node) - 2.6)
        if best is None or miss < best[0]:
            best = (miss, node)
        if miss == 0:
            break
    assert best is not None
    return best[1]


def _propose(aspects: Sequence[float], rng: random.Random) -> Node:
    count = len(aspects)
    style = rng.random()
    if count == 1:
        return Node(leaf=0, aspect=aspects[0])
    if count >= 3 and style < 0.18:
        side = _leaves(aspects[:1], 0)[0]
        rest = Node(across=False, parts=tuple(_shift(p, 1) for p in _leaves(aspects[1:], 0)))
        if count > 4:
            rest = _shift(_rows(aspects[1:], _split(rng, count - 1, 2), True), 1)
        return Node(across=True, parts=(side, rest))
    if count >= 3 and style < 0.32:
        wide = rng.randint(1, max(1, count // 3))
        top = _rows(aspects[:wide], [wide], True)
        rest = _shift(_rows(aspects[wide:], _split(rng, count - wide, 3), rng.random() < 0.6), wide)
        return Node(across=False, parts=(top, rest))
    if count >= 4 and style < 0.45:
        return _rows(aspects, _split(rng, count, 3), False)
    return _rows(aspects, _split(rng, count, rng.choice((2, 3, 3, 4))), True)


def _shift(node: Node, by: int) -> Node:
    """The same tree with its leaves numbered from ``by``."""
    if not node.parts:
        return dataclasses.replace(node, leaf=node.leaf + by)
    return dataclasses.replace(node, parts=tuple(_shift(p, by) for p in node.parts))


def _spread(node: Node) -> float:
    """Area of the largest leaf over that of the smallest."""
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in place(node, 1000, 0).values()]
    return max(areas) / min(areas)


def place(node: Node, width: int, gap: int, gap_y: int | None = None) -> dict[int, Box]:
    """Integer boxes of all leaves in a figure ``width`` pixels wide, ``gap`` pixels apart."""
    boxes: dict[int, Box] = {}
    down = gap if gap_y is None else gap_y
    _fill(node, (0, 0, width, round(width / node.ratio())), gap, down, boxes)
    return boxes


def _fill(node: Node, box: Box, gap: int, gap_y: int, out: dict[int, Box]) -> None:
    x0, y0, x1, y1 = box
    if not node.parts:
        if node.leaf >= 0:
            out[node.leaf] = box
        return
    shares = [p.ratio() if node.across else 1 / p.ratio() for p in node.parts]
    step = gap if node.across else gap_y
    room = (x1 - x0 if node.across else y1 - y0) - step * (len(shares) - 1)
    done, at = 0.0, x0 if node.across else y0
    start = at
    for k, (part, share) in enumerate(zip(node.parts, shares, strict=True)):
        done += share
        end = start + round(room * done / sum(shares)) + step * k
        inner = (at, y0, end, y1) if node.across else (x0, at, x1, end)
        _fill(part, inner, gap, gap_y, out)
        at = end + step


def reading_order(boxes: dict[int, Box]) -> list[int]:
    """Leaf numbers in the order a reader takes them: rows first, then columns, recursively."""
    keys = list(boxes)
    if len(keys) == 1:
        return keys
    for axis in (1, 0):
        groups = _cut(boxes, axis)
        if len(groups) > 1:
            return [k for group in groups for k in reading_order({g: boxes[g] for g in group})]
    return sorted(keys, key=lambda k: (boxes[k][1], boxes[k][0]))


def _cut(boxes: dict[int, Box], axis: int) -> list[list[int]]:
    """Groups of boxes that a straight line across ``axis`` (0 x, 1 y) keeps apart."""
    groups: list[list[int]] = []
    reach = 0
    for key in sorted(boxes, key=lambda k: boxes[k][axis]):
        low, high = boxes[key][axis], boxes[key][axis + 2]
        if not groups or low >= reach:
            groups.append([])
        groups[-1].append(key)
        reach = max(reach, high) if len(groups[-1]) > 1 else high
    return groups
