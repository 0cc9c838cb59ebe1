"""Lines of type as antialiased masks, cached by font, size and string."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .base import Color, Pixels, Style

Mask = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# (regular, bold) file names, commonest in the literature first; sans-serif dominates there.
FACES: tuple[tuple[str, str], ...] = (
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("Arial.ttf", "Arial Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("FreeSans.ttf", "FreeSansBold.ttf"),
    ("texgyreheros-regular.otf", "texgyreheros-bold.otf"),
    ("NimbusSans-Regular.otf", "NimbusSans-Bold.otf"),
    ("LiberationSansNarrow-Regular.ttf", "LiberationSansNarrow-Bold.ttf"),
    ("DejaVuSansCondensed.ttf", "DejaVuSansCondensed-Bold.ttf"),
    ("Carlito-Regular.ttf", "Carlito-Bold.ttf"),
    ("calibri.ttf", "calibrib.ttf"),
    ("OpenSans-Regular.ttf", "OpenSans-Bold.ttf"),
    ("Roboto-Regular.ttf", "Roboto-Bold.ttf"),
    ("Lato-Regular.ttf", "Lato-Bold.ttf"),
    ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf"),
    ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    ("FreeSerif.ttf", "FreeSerifBold.ttf"),
    ("times.ttf", "timesbd.ttf"),
    ("LiberationSans-Italic.ttf", "LiberationSans-BoldItalic.ttf"),
    ("LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf"),
)
MASTER = 32.0  # em size at which type is rendered to be reduced
REDUCED = 24.0  # the largest em size that is made so
FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)


@cache
def faces() -> tuple[tuple[str, str], ...]:
    """Paths of the (regular, bold) fonts found on this machine; ("", "") is the one built into Pillow.

    Folders named in the environment variable PMCX_FONTS are searched before the system's.
    """
    named = os.environ.get("PMCX_FONTS", "").split(os.pathsep)
    folders = [Path(folder) for folder in (*filter(None, named), *FONT_FOLDERS)]
    folders += [Path.home() / ".fonts", Path.home() / ".local/share/fonts"]
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "mpl-data/fonts/ttf")
    wanted = {name for pair in FACES for name in pair}
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.[to]tf")) if folder.is_dir() else ():
            if path.name in wanted:
                found.setdefault(path.name, str(path))
    pairs = [(found[a], found.get(b, found[a])) for a, b in FACES if a in found]
    return (*pairs, ("", ""))


@lru_cache(maxsize=512)
def _font(path: str, size: float) -> Font:
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=512)
def _cap_height(path: str, size: float) -> tuple[int, int]:
    _, top, _, bottom = _font(path, size).getbbox("H")
    return int(top), int(bottom)


@lru_cache(maxsize=8192)
def _rendered(path: str, size: float, string: str, trim: bool) -> Mask:
    font = _font(path, size)
    left, _, right, bottom = (int(v) for v in font.getbbox(string))
    image = Image.new("L", (max(1, right - left + 2), max(1, bottom + 2)))
    ImageDraw.Draw(image).text((1 - left, 0), string, fill=255, font=font)
    mask = np.asarray(image)
    columns = np.flatnonzero(mask.max(axis=0) > 24)
    rows = np.flatnonzero(mask.max(axis=1) > 24)
    if not len(columns):
        return np.zeros((max(1, round(size * 0.7)), max(1, round(size * 0.3))), np.uint8)
    first, last = int(rows[0]), int(rows[-1]) + 1
    if not trim:  # fixed top and baseline, so that words of one line stand level
        cap_top, baseline = _cap_height(path, size)
        first, last = min(first, cap_top), max(last, baseline)
    cut = np.ascontiguousarray(mask[first:last, columns[0] : columns[-1] + 1])
    cut.flags.writeable = False
    return cut


@lru_cache(maxsize=50_000)
def _mask(path: str, size: float, string: str, trim: bool) -> Mask:
    """Small type is reduced from one rendering: ten times faster, and as figures are reduced in journals."""
    if size > REDUCED:
        return _rendered(path, size, string, trim)
    master = _rendered(path, MASTER, string, trim)
    height, width = (max(1, round(side * size / MASTER)) for side in master.shape)
    mask = np.asarray(cv2.resize(master, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    mask.flags.writeable = False
    return mask


def text(style: Style, string: str, *, scale: float = 1.0, bold: bool = False, trim: bool = False) -> Mask:
    """Coverage (h, w), 0 to 255, of one line of type; read-only and shared.

    Starts at the left edge of the ink; the top row is the cap height unless `trim`
    cuts to the ink, so lines pasted at one y share a baseline. `scale` is relative
    to `style.type_px`; vertical type is `np.rot90(mask)`.
    """
    found = faces()
    path = found[style.font % len(found)][1 if bold else 0]
    size = max(3.0, style.type_px * scale)
    # Coarse steps, so that the cache hits.
    size = round(size * 2) / 2 if size < 8 else float(round(size))
    return _mask(path, size, string, trim)


@lru_cache(maxsize=4096)
def power(style: Style, exponent: int, scale: float = 1.0) -> Mask:
    """Ten to the power of `exponent`, as logarithmic axes are labelled; like `text`, shared."""
    ten, raised = text(style, "10", scale=scale), text(style, str(exponent), scale=scale * 0.7)
    lift = raised.shape[0] // 2
    mask = np.zeros((max(ten.shape[0], raised.shape[0]) + lift, ten.shape[1] + 1 + raised.shape[1]), np.uint8)
    mask[lift : lift + ten.shape[0], : ten.shape[1]] = ten
    mask[: raised.shape[0], ten.shape[1] + 1 :] = raised
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=20_000)
def _tile(cover: bytes, shape: tuple[int, int], colour: Color, base: int) -> Pixels:
    """The mask in `colour` on a grey of `base`."""
    mask = np.frombuffer(cover, np.uint8).reshape(shape)[:, :, None].astype(np.int32)
    return (base + (np.array(colour, np.int32) - base) * mask // 255).astype(np.uint8)


def paste(pixels: Pixels, mask: Mask, x: int, y: int, colour: Color) -> None:
    """Draws the mask in `colour` with its top left corner at (x, y), clipped to the image.

    Near-black type only darkens and near-white type only lightens, in one operation
    on a cached tile; other colours are blended.
    """
    height, width = pixels.shape[:2]
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(mask.shape[1], width - x), min(mask.shape[0], height - y)
    if left >= right or top >= bottom:
        return
    under = pixels[y + top : y + bottom, x + left : x + right]
    part = mask[top:bottom, left:right]
    if max(colour) < 90:
        np.minimum(under, _tile(part.tobytes(), part.shape, colour, 255), out=under)
    elif min(colour) > 165:
        np.maximum(under, _tile(part.tobytes(), part.shape, colour, 0), out=under)
    else:
        cover = part[:, :, None].astype(np.int32)
        cover += cover >> 7  # 0 to 256, for a shift in place of a division
        under += ((np.array(colour, np.int32) - under) * cover >> 8).astype(np.uint8)  # modulo 256 on purpose
