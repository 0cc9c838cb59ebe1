"""Decoding source images of any format, under limits, into upright 8-bit RGB.

Importing this module imports neither numpy nor Pillow; they are loaded where pixels are touched.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import re
import struct
import sys
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

    from .images import Pixels

VECTOR_FORMATS = frozenset({"pdf", "eps", "svg", "emf", "wmf"})
"""Formats that :func:`sniff` names and that hold drawing commands instead of pixels."""

_PLUGINS = {
    "jpeg": ("JpegImagePlugin", "JpegImageFile"),
    "png": ("PngImagePlugin", "PngImageFile"),
    "tiff": ("TiffImagePlugin", "TiffImageFile"),
    "gif": ("GifImagePlugin", "GifImageFile"),
    "webp": ("WebPImagePlugin", "WebPImageFile"),
    "bmp": ("BmpImagePlugin", "BmpImageFile"),
}
_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"\x00\x00\x00\x0cjP  \r\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"8BPS", "psd"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip"),
)
_MAX_PAGES = 1000
_QUIET = logging.NullHandler()  # what tifffile has to say about broken files is in the InputError
_ROTATIONS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""EXIF orientation -> value of PIL.Image.Transpose that shows the image upright."""


@dataclasses.dataclass(frozen=True)
class ImageLimits:
    """What :func:`decode` accepts. ``max_pixels`` is width x height as stated by the file's header."""

    max_pixels: int = 178_000_000


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A decoded source image: RGB, 8 bit, upright.

    ``format`` is sniffed from the bytes. ``verbatim`` says that the source bytes themselves display as
    exactly these pixels in any ordinary reader (one 8-bit RGB or grey JPEG or PNG without rotation and
    alpha), so they may be exported untouched. ``pages`` counts TIFF pages or GIF, WebP and PNG frames
    (up to 1000), of which ``image`` is the first.
    """

    image: Image
    format: str
    width: int
    height: int
    verbatim: bool
    pages: int = 1


def _told(error: Exception) -> str:
    """What a codec says, with the name of its error where that tells something."""
    name = "" if isinstance(error, _TruncatedError) else f"{type(error).__name__}: "
    return f"{name}{str(error)[:200]}"


class _TruncatedError(OSError):
    pass


class _Bytes(io.BytesIO):
    """Raises at the end of the data, so that a short file is an error whatever Pillow's global
    LOAD_TRUNCATED_IMAGES says (several training libraries set it)."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and size != 0:
            raise _TruncatedError("the data end before the image does")
        return data


def sniff(data: bytes) -> str:
    """The format of ``data`` by its first bytes: ``jpeg``, ``png``, ``tiff``, ``gif``, ``webp``, ``bmp``;
    one of :data:`VECTOR_FORMATS`; ``html``, ``xml``, ``empty`` and the like; or ``unknown``."""
    if not data:
        return "empty"
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return "avif" if data[8:12] in (b"avif", b"avis") else "heif"
    if data[40:44] == b" EMF":
        return "emf"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"%pdf-" in head:
        return "pdf"
    if head.startswith(b"<"):
        tags = re.findall(rb"<(?:!doctype\s+)?([a-z][a-z0-9:]*)", head)
        if b"html" in tags:
            return "html"
        return "svg" if b"svg" in tags or b"svg:svg" in tags else "xml"
    return "unknown"


def decode(data: bytes, limits: ImageLimits = ImageLimits()) -> Decoded:
    """Decode the first page of an image file to RGB, 8 bit, as displayed.

    EXIF orientation is applied, alpha is composed on white, CMYK and LAB are converted (by the embedded
    profile where there is one), and deeper grey or RGB is scaled by the bit depth that its values
    actually use. Raises InputError, with the reason, for anything that does not give the complete image,
    and for more than ``limits.max_pixels`` before any pixel is allocated.
    """
    kind = sniff(data)
    if kind not in _PLUGINS:
        raise InputError(_refusal(kind, data))
    try:
        return _decode(data, kind, limits)
    except InputError:
        raise
    except Exception as error:  # a codec that is fed hostile bytes may raise anything
        if "not identified by this driver" in str(error):
            raise InputError(f"{kind} image of zero size or without pixel data") from error
        short = isinstance(error, (EOFError, struct.error, _TruncatedError)) or "truncated" in str(error)
        state = "truncated" if short else "broken"
        raise InputError(f"{state} {kind} image ({len(data)} bytes): {_told(error)}") from error


def _refusal(kind: str, data: bytes) -> str:
    if kind == "empty":
        return "empty file (0 bytes) where an image was expected"
    if kind in VECTOR_FORMATS:
        return f"vector graphic ({kind.upper()}), not a raster image"
    if kind in ("html", "xml"):
        return f"{kind.upper()} text where an image was expected, begins {data[:60]!r}"
    if kind == "unknown":
        return f"unknown image format ({len(data)} bytes), begins {data[:16]!r}"
    return f"unsupported image format: {kind}"


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if width <= 0 or height <= 0:
        raise InputError(f"image of zero size: {width} x {height} pixels")
    if width * height > limits.max_pixels:
        raise InputError(
            f"too many pixels: {width} x {height} = {width * height} (limit max_pixels={limits.max_pixels})"
        )


def _open(data: bytes, kind: str) -> ImageFile:
    # The plugin itself rather than Image.open, which applies its own, global pixel limit.
    module, name = _PLUGINS[kind]
    opened: ImageFile = getattr(import_module(f"PIL.{module}"), name)(_Bytes(data))
    return opened


def _decode(data: bytes, kind: str, limits: ImageLimits) -> Decoded:
    if kind == "webp":
        _check_size(*_webp_size(data), limits)  # Pillow's decoder allocates the canvas when it opens
    try:
        source = _open(data, kind)
    except SyntaxError as error:
        if kind != "tiff" or "not a TIFF" in str(error):
            raise
        return _decode_odd_tiff(data, limits, error)
    _check_size(*source.size, limits)
    tags = getattr(source, "tag_v2", {}) if kind == "tiff" else {}
    if tags.get(284) == 2 and max(tags.get(258, (8,))) > 8:
        return _decode_odd_tiff(data, limits, ValueError("planar image"))  # Pillow reads these wrong
    pages = _pages(source, data, kind)
    mode, rawmode, info = source.mode, _rawmode(source), source.info
    turn = _ROTATIONS.get(_orientation(source)) if kind != "tiff" else None  # Pillow turns TIFFs itself
    inverted = tags.get(262) == 0
    source.load()
    if kind == "png":
        _check_png(data)

    image: Image = source
    if rawmode.startswith(("RGB;16", "RGBA;16")):
        image = _deep_colour(image, data, kind, rawmode)
    plain = mode in ("RGB", "L") and "transparency" not in info
    image = _to_rgb(image, inverted=inverted)
    if turn is not None:
        from PIL.Image import Transpose

        image = image.transpose(Transpose(turn))
    eight_bit = kind == "jpeg" or (kind == "png" and data[24] == 8)
    verbatim = plain and eight_bit and turn is None and pages == 1
    return Decoded(image, kind, image.width, image.height, verbatim, pages)


def _rawmode(source: ImageFile) -> str:
    args = source.tile[0][3] if source.tile else None
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _orientation(source: ImageFile) -> int:
    if "exif" not in source.info:
        return 1
    try:
        return int(source.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF data are no reason to lose the image
        return 1


def _check_png(data: bytes) -> None:
    """A PNG without its end chunk is truncated. Under LOAD_TRUNCATED_IMAGES Pillow also lets one pass
    whose pixel stream ends early, so that the stream is checked here then."""
    from PIL import ImageFile

    stream = zlib.decompressobj()
    at, name = 8, b""
    while at + 8 <= len(data) and name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT" and ImageFile.LOAD_TRUNCATED_IMAGES:
            piece = data[at + 8 : at + 8 + length]
            while piece:
                stream.decompress(piece, 1 << 20)
                piece = stream.unconsumed_tail
        at += length + 12
    if name != b"IEND" or (ImageFile.LOAD_TRUNCATED_IMAGES and not stream.eof):
        raise _TruncatedError("the file or its pixel stream ends early")


def _to_rgb(image: Image, inverted: bool = False) -> Image:
    """Any mode as RGB; ``inverted`` says that 0 is white in 16-bit or float grey."""
    from PIL import Image as Pillow

    mode = image.mode
    if mode.startswith(("I", "F")):
        import numpy as np

        grey = _eight_bit(np.asarray(image))
        return Pillow.fromarray(255 - grey if inverted else grey).convert("RGB")
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        straight = image.convert("LA") if mode == "La" else image
        rgba = straight.convert("RGBA")
        paper = Pillow.new("RGB", rgba.size, (255, 255, 255))
        paper.paste(rgba, mask=rgba.getchannel("A"))
        return paper
    if mode in ("CMYK", "LAB"):
        return _managed(image)
    return image if mode == "RGB" else image.convert("RGB")


def _managed(image: Image) -> Image:
    """CMYK by its embedded profile, else by Pillow's plain formula; LAB as CIE L*a*b* (D50)."""
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        if converted is None:
            raise ValueError("LAB image without result of conversion")
        return converted
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except (KeyError, OSError, TypeError, ValueError, ImageCms.PyCMSError):
        converted = None  # no profile, a broken one, or one for another colour space
    return image.convert("RGB") if converted is None else converted


def _eight_bit(values: Any) -> Pixels:
    """Scale deep samples to 0..255.

    Unsigned integers count in the smallest of 1, 8, 10, 12, 14, 16, 32 bits that holds their maximum
    (so 12-bit data in 16-bit words come out as bright as they are); floats count as 0..1 or 0..255 where
    they lie in it; all else is stretched from its minimum to its maximum.
    """
    import numpy as np

    if values.dtype == bool:
        return np.asarray(values, dtype=np.uint8) * np.uint8(255)
    if values.dtype.kind == "f":
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    else:
        finite = values
    low, high = finite.min().item(), finite.max().item()
    if values.dtype.kind != "f" and low >= 0:
        low, top = 0, next(2**bits - 1 for bits in (1, 8, 10, 12, 14, 16, 32, 64) if high < 2**bits)
        if top <= 0xFFFF:
            table = np.minimum(np.arange(0x10000) * 255 / top + 0.5, 255).astype(np.uint8)
            scaled: Pixels = table[finite.astype(np.uint16, copy=False)]
            return scaled
    elif low >= 0 and high <= 255:
        low, top = 0, 1 if high <= 1 else 255
    else:
        top = high
    span = float(top) - float(low)
    if not 0 < span < float("inf"):
        return np.zeros(values.shape, dtype=np.uint8)
    out = np.empty(values.shape, dtype=np.uint8)
    for row in range(len(finite)):  # by rows: a float copy of the whole would take eight times the memory
        out[row] = (finite[row].astype(np.float64) - low) * (255 / span) + 0.5
    return out


def _deep_colour(image: Image, data: bytes, kind: str, rawmode: str) -> Image:
    """16-bit RGB(A), of which Pillow keeps the high bytes: where these use less than their range, a
    second decode fetches the low bytes, by reading the same stream in the other byte order."""
    import numpy as np
    from PIL import Image as Pillow

    high = np.asarray(image)
    if high[..., :3].max() >= 0x40:
        return image
    order = rawmode[-1] if rawmode[-1] in "LB" else ("L" if sys.byteorder == "little" else "B")
    swapped = rawmode[:-1] + ("B" if order == "L" else "L")
    again = _open(data, kind)
    for at, tile in enumerate(again.tile):
        args: Any = (swapped, *tile[3][1:]) if isinstance(tile[3], tuple) else swapped
        make: Any = getattr(tile, "_make", tuple)  # a plain tuple before Pillow 11
        again.tile[at] = make((*tile[:3], args))
    again.load()
    words = high[..., :3].astype(np.uint16) << 8 | np.asarray(again)[..., :3]
    scaled = _eight_bit(words)
    if high.shape[2] == 4:
        scaled = np.dstack([scaled, high[..., 3]])
    return Pillow.fromarray(scaled)


def _pages(source: ImageFile, data: bytes, kind: str) -> int:
    if kind == "tiff":
        return _tiff_pages(data)
    if kind == "gif":
        return _gif_pages(data)
    return min(_MAX_PAGES, max(1, getattr(source, "n_frames", 1)))


def _tiff_pages(data: bytes) -> int:
    """Length of the chain of image directories (TIFF 6.0 and BigTIFF), without reading their tags."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset_at, count_form, offset_form, entry = (8, "Q", "Q", 20) if big else (4, "H", "I", 12)
    seen: set[int] = set()
    while len(seen) < _MAX_PAGES and offset_at + (8 if big else 4) <= len(data):
        (offset,) = struct.unpack_from(order + offset_form, data, offset_at)
        width = struct.calcsize(count_form)
        if offset == 0 or offset in seen or offset + width > len(data):
            break
        seen.add(offset)
        (count,) = struct.unpack_from(order + count_form, data, offset)
        offset_at = offset + width + count * entry
    return max(1, len(seen))


def _gif_pages(data: bytes) -> int:
    """Number of image descriptors (GIF89a), without decoding them."""

    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    pages, at = 0, 13 + table(data[10]) if len(data) > 10 else 0
    while at < len(data) and pages < _MAX_PAGES:
        if data[at] == 0x2C and at + 9 < len(data):
            pages += 1
            at += 10 + table(data[at + 9]) + 1
        elif data[at] == 0x21:
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    return max(1, pages)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas size by the first chunk (RFC 9649)."""
    chunk = data[12:16]
    if len(data) < 30:
        raise _TruncatedError("no complete WebP header")
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _decode_odd_tiff(data: bytes, limits: ImageLimits, reason: Exception) -> Decoded:
    """A TIFF whose sample layout Pillow does not know (planar 16 bit, 64-bit floats, 12 bits …)."""
    import numpy as np
    import tifffile
    from PIL import Image as Pillow

    logging.getLogger("tifffile").addHandler(_QUIET)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page: Any = tiff.pages[0]
        width, height, samples = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
        _check_size(width, height, limits)
        if page.dtype is None or page.imagedepth != 1 or not 1 <= samples <= 32:
            raise InputError(f"unsupported tiff image: {reason}")
        if width * height * samples * page.dtype.itemsize > 8 * limits.max_pixels:
            raise InputError(
                f"too many pixels: {width} x {height} of {samples} samples of {page.dtype} "
                f"(limit max_pixels={limits.max_pixels})"
            )
        pieces = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        if len(pieces) < int(np.prod(page.chunked, dtype=np.int64)) or any(
            count <= 0 or offset + count > len(data) for offset, count in pieces
        ):
            raise _TruncatedError("image data lie beyond the end of the file")
        array = page.asarray(maxworkers=1)
        photometric = int(page.photometric)
        planar = samples > 1 and int(page.planarconfig) == 2
        colormap = page.colormap
        alpha = any(int(kind) in (1, 2) for kind in page.extrasamples)
    array = array.reshape((samples, height, width) if planar else (height, width, samples))
    if planar:
        array = np.moveaxis(array, 0, -1)
    if photometric == 3 and colormap is not None:
        index = np.minimum(array[..., 0], colormap.shape[1] - 1)
        rgb = _eight_bit(colormap[:, index].transpose(1, 2, 0))
    elif photometric in (0, 1):
        grey = _eight_bit(array[..., 0])
        rgb = np.repeat((255 - grey if photometric == 0 else grey)[..., None], 3, axis=2)
    elif photometric == 2 and samples >= 3:
        rgb = _eight_bit(array[..., :3])
    elif photometric == 5 and samples >= 4:
        ink = Pillow.frombytes("CMYK", (width, height), _eight_bit(array[..., :4]).tobytes())
        rgb = np.asarray(ink.convert("RGB"))
    else:
        raise InputError(f"unsupported tiff image: {reason}")
    image = Pillow.fromarray(np.ascontiguousarray(rgb))
    if alpha and photometric in (1, 2):
        opacity = _eight_bit(array[..., 3 if photometric == 2 else 1])
        image.putalpha(Pillow.fromarray(np.ascontiguousarray(opacity)))
        image = _to_rgb(image)
    return Decoded(image, "tiff", image.width, image.height, False, _tiff_pages(data))
