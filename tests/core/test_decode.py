"""Decoding of every kind of image file that articles come with, and of broken ones."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from pmcx.core.decode import Decoded, ImageLimits, decode, sniff
from pmcx.core.errors import InputError

H, W = 48, 64
RAMP = np.add.outer(np.arange(H) * 3, np.arange(W) * 2).astype(np.uint8)
RGB = np.dstack([RAMP, 255 - RAMP, RAMP // 2 + 60])


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    import tifffile

    out = io.BytesIO()
    tifffile.imwrite(out, array, metadata=None, **options)
    return out.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    middle = b"".join(chunk(name, body) for name, body in extra)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + middle
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def pixels(decoded: Decoded) -> np.ndarray:
    assert decoded.image.mode == "RGB"
    assert decoded.image.size == (decoded.width, decoded.height)
    return np.asarray(decoded.image)


def grey_png16(values: np.ndarray) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, 0, rows)


def rgb_png16(values: np.ndarray) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, 2, rows)


@pytest.mark.parametrize(
    ("kind", "options", "mode", "verbatim"),
    [
        ("JPEG", {}, "RGB", True),
        ("JPEG", {"progressive": True}, "RGB", True),
        ("JPEG", {}, "L", True),
        ("PNG", {}, "RGB", True),
        ("PNG", {}, "L", True),
        ("PNG", {}, "P", False),
        ("PNG", {}, "1", False),
        ("PNG", {}, "LA", False),
        ("PNG", {}, "RGBA", False),
        ("TIFF", {}, "RGB", False),
        ("TIFF", {"compression": "tiff_lzw"}, "RGB", False),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, "RGB", False),
        ("TIFF", {"compression": "packbits"}, "L", False),
        ("TIFF", {"compression": "group4"}, "1", False),
        ("TIFF", {"compression": "jpeg"}, "RGB", False),
        ("GIF", {}, "P", False),
        ("WEBP", {"lossless": True}, "RGB", False),
        ("WEBP", {}, "RGB", False),
        ("BMP", {}, "RGB", False),
    ],
)
def test_ordinary_files(kind: str, options: dict[str, Any], mode: str, verbatim: bool) -> None:
    image = Image.fromarray(RGB).convert(mode)
    decoded = decode(encode(image, kind, **options))
    assert (decoded.format, decoded.width, decoded.height, decoded.pages) == (kind.lower(), W, H, 1)
    assert decoded.verbatim is verbatim
    lossy = (kind in ("JPEG", "WEBP") and "lossless" not in options) or options.get("compression") == "jpeg"
    close = 16 if lossy else 0
    assert np.abs(pixels(decoded).astype(int) - np.asarray(image.convert("RGB"))).mean() <= close


def test_one_pixel() -> None:
    for kind in ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"):
        decoded = decode(encode(Image.new("RGB", (1, 1), (255, 255, 255)), kind))
        assert pixels(decoded).shape == (1, 1, 3) and pixels(decoded).min() >= 250


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(kind: str, orientation: int) -> None:
    """The mark (dark quarter) stands top left in the image as displayed."""
    upright = np.full((32, 64), 255, np.uint8)
    upright[:16, :32] = 0
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](upright))).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif}
    decoded = decode(encode(stored, kind, **options))
    shown = pixels(decoded)[..., 0]
    assert shown.shape == (32, 64)
    assert np.abs(shown.astype(int) - upright).mean() < 4
    assert decoded.verbatim is (orientation == 1 and kind in ("JPEG", "PNG"))


def test_broken_exif_keeps_the_image() -> None:
    data = encode(Image.fromarray(RGB), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f garbage")
    assert decode(data).width == W


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["png", "tiff", "tiff-white-is-zero", "tiff-big-endian"])
def test_deep_grey_is_scaled_by_the_bits_in_use(bits: int, kind: str) -> None:
    top = 2**bits - 1
    values = np.linspace(0, top, H * W).reshape(H, W).round().astype(np.uint16)
    expected = values * 255.0 / top
    if kind == "png":
        data = grey_png16(values)
    elif kind == "tiff-big-endian":
        data = tiff(values, byteorder=">")
    else:
        data = tiff(values, photometric="miniswhite" if "white" in kind else "minisblack")
    if "white" in kind:
        expected = 255 - expected
    decoded = decode(data)
    assert not decoded.verbatim
    assert np.abs(pixels(decoded)[..., 0] - expected).max() <= 1.0


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
@pytest.mark.parametrize("kind", ["png", "tiff", "tiff-deflate", "tiff-big-endian", "tiff-planar"])
def test_deep_colour_is_scaled_by_the_bits_in_use(bits: int, kind: str) -> None:
    top = 2**bits - 1
    ramp = np.linspace(0, top, H * W).reshape(H, W).round().astype(np.uint16)
    values = np.dstack([ramp, top - ramp, ramp // 2])
    if kind == "png":
        data = rgb_png16(values)
    elif kind == "tiff-planar":
        planes = np.ascontiguousarray(np.moveaxis(values, -1, 0))
        data = tiff(planes, photometric="rgb", planarconfig="separate")
    else:
        options: dict[str, Any] = {"compression": "zlib"} if "deflate" in kind else {}
        if "big" in kind:
            options["byteorder"] = ">"
        data = tiff(values, photometric="rgb", **options)
    decoded = decode(data)
    assert not decoded.verbatim
    assert np.abs(pixels(decoded) - values * 255.0 / top).max() <= 1.0


def test_deep_colour_with_alpha() -> None:
    values = np.full((H, W, 4), 4095, np.uint16)
    values[..., 1] = 2048
    values[..., 3] = 65535
    values[: H // 2, :, 3] = 0
    decoded = decode(tiff(values, photometric="rgb", extrasamples=["unassalpha"]))
    assert (pixels(decoded)[0, 0] == 255).all()
    assert np.abs(pixels(decoded)[-1, 0].astype(int) - [255, 128, 255]).max() <= 1


def test_deep_planar_cmyk() -> None:
    ink = np.zeros((4, H, W), np.uint16)
    ink[2, :, W // 2 :] = 65535
    shown = pixels(decode(tiff(ink, photometric="separated", planarconfig="separate")))
    assert (shown[:, : W // 2] == 255).all()
    assert (shown[:, W // 2 :] == (255, 255, 0)).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, H * W, dtype=np.float32), np.linspace(0, 255, H * W)),
        (np.linspace(0, 200, H * W, dtype=np.float32), np.linspace(0, 200, H * W)),
        (np.linspace(-5, 5, H * W, dtype=np.float32), np.linspace(0, 255, H * W)),
        (np.linspace(-5, 5, H * W, dtype=np.float64), np.linspace(0, 255, H * W)),
        (np.linspace(-900, 900, H * W).astype(np.int16), np.linspace(0, 255, H * W)),
        (np.linspace(0, 100_000, H * W).astype(np.uint32), np.linspace(0, 255 * 1e5 / 2**32, H * W)),
        (np.full(H * W, 7.0, np.float32), np.full(H * W, 7)),
        (np.zeros(H * W, np.uint16), np.zeros(H * W)),
    ],
)
def test_other_sample_types(values: np.ndarray, expected: np.ndarray) -> None:
    decoded = decode(tiff(values.reshape(H, W)))
    assert np.abs(pixels(decoded)[..., 0] - expected.reshape(H, W)).max() <= 1.0


def test_not_a_number_is_black() -> None:
    values = np.full((H, W), 0.5, np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    assert pixels(decode(tiff(values)))[0, 0, 0] == 0
    assert pixels(decode(tiff(values)))[1, 1, 0] in (127, 128)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_shows_ink_on_paper(kind: str) -> None:
    """No ink is white, full yellow is yellow: for Adobe's inverted JPEG as for TIFF."""
    ink = np.zeros((32, 64, 4), np.uint8)
    ink[:, 32:, 2] = 255
    data = encode(Image.fromarray(ink, mode="CMYK"), kind)
    decoded = decode(data)
    shown = pixels(decoded).astype(int)
    assert not decoded.verbatim
    assert shown[:, :24].min() > 240
    assert (shown[:, 40:, 0] > 240).all() and (shown[:, 40:, 2] < 20).all()


def test_ycck_jpeg() -> None:
    """The same file with its Adobe marker switched to YCCK: Y=0 and neutral chroma is no ink (inverted)."""
    stored = np.full((32, 32, 4), 128, np.uint8)
    stored[..., 0] = 0
    stored[..., 3] = 255
    data = encode(Image.fromarray(255 - stored, mode="CMYK"), "JPEG", quality=100)
    at = data.index(b"Adobe")
    decoded = decode(data[: at + 11] + b"\x02" + data[at + 12 :])
    assert pixels(decoded).min() > 245


def test_cmyk_with_a_broken_profile_falls_back() -> None:
    ink = np.zeros((32, 32, 4), np.uint8)
    data = encode(Image.fromarray(ink, mode="CMYK"), "JPEG", icc_profile=b"no profile at all")
    assert pixels(decode(data)).min() > 240
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(Image.fromarray(ink, mode="CMYK"), "JPEG", icc_profile=srgb)
    assert pixels(decode(data)).min() > 240


def test_lab_tiff() -> None:
    lab = np.zeros((16, 32, 3), np.uint8)
    lab[:, :16] = (255, 0, 0)  # white; a and b are signed
    lab[:, 16:] = (136, 80, 67)  # about sRGB red
    shown = pixels(decode(encode(Image.frombytes("LAB", (32, 16), lab.tobytes()), "TIFF"))).astype(int)
    assert shown[:, :16].min() > 250
    assert (shown[:, 16:, 0] > 225).all() and (shown[:, 16:, 1:] < 60).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composed_on_white(mode: str) -> None:
    image = Image.fromarray(np.zeros((H, W, 4), np.uint8))
    image.paste((0, 0, 0, 255), (0, 0, W // 2, H))
    decoded = decode(encode(image.convert(mode), "PNG"))
    assert (pixels(decoded)[:, : W // 2] == 0).all() and (pixels(decoded)[:, W // 2 :] == 255).all()
    assert not decoded.verbatim


def test_transparent_colour_is_white() -> None:
    palette = Image.fromarray(RAMP // 128).convert("P")
    shown = pixels(decode(encode(palette, "PNG", transparency=0)))
    assert (shown[RAMP < 128] == 255).all()
    grey = decode(encode(Image.fromarray(RAMP), "PNG", transparency=int(RAMP[5, 5])))
    assert (pixels(grey)[RAMP[5, 5] == RAMP] == 255).all() and not grey.verbatim
    colour = decode(encode(Image.fromarray(RGB), "PNG", transparency=tuple(map(int, RGB[7, 9]))))
    assert (pixels(colour)[7, 9] == 255).all() and not colour.verbatim


def test_first_of_several_pages() -> None:
    frames = [Image.new("RGB", (W, H), colour) for colour in ("white", "black", "red")]
    for kind in ("TIFF", "GIF", "WEBP", "PNG"):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        decoded = decode(data)
        assert decoded.pages == 3, kind
        assert not decoded.verbatim
        assert pixels(decoded).min() >= 250


def test_page_count_of_endless_chains() -> None:
    data = bytearray(encode(Image.fromarray(RAMP), "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)  # the next directory is the first one
    assert decode(bytes(data)).pages == 1
    frame = encode(Image.new("L", (4, 4)), "GIF")
    start = frame.index(b",")
    many = frame[:start] + frame[start:-1] * 3000 + b";"
    assert decode(many).pages == 1000


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", "empty", "empty file"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "html", "HTML text where an image"),
        (b"\n\n <html lang='en'>", "html", "HTML text"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><!-- a --><html/>", "html", "HTML text"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "xml", "XML text"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "svg", "vector graphic .SVG"),
        (b"<svg:svg/>", "svg", "vector graphic"),
        (b"%PDF-1.4\n%...", "pdf", "vector graphic .PDF"),
        (b"junk before %PDF-1.4", "pdf", "vector graphic .PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "eps", "vector graphic .EPS"),
        (b"\xc5\xd0\xd3\xc6" + bytes(40), "eps", "vector graphic .EPS"),
        (b"\x01\0\0\0" + bytes(36) + b" EMF", "emf", "vector graphic .EMF"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000", "unsupported image format: jpeg2000"),
        (b"\0\0\0\x1cftypavif", "avif", "unsupported image format: avif"),
        (b"PK\x03\x04", "zip archive", "unsupported image format"),
        (b"version https://git-lfs.github.com/spec/v1\n", "unknown", "unknown image format .43 bytes."),
        (bytes(100), "unknown", "unknown image format"),
        (b"\xff\xd8\xff", "jpeg", "(truncated|broken) jpeg image .3 bytes."),
        (b"BM", "bmp", "(truncated|broken) bmp"),
        (b"RIFF\0\0\0\0WEBP", "webp", "truncated webp"),
    ],
)
def test_what_is_no_raster_image_says_what_it_is(data: bytes, kind: str, message: str) -> None:
    assert sniff(data) == kind
    with pytest.raises(InputError, match=message):
        decode(data)


def test_the_name_of_the_format_comes_from_the_bytes() -> None:
    assert sniff(encode(Image.fromarray(RGB), "JPEG")) == "jpeg"
    assert sniff(tiff(RAMP, bigtiff=True)) == "tiff"
    assert decode(tiff(RAMP, bigtiff=True)).format == "tiff"


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("WEBP", {}),
        ("BMP", {}),
    ],
)
def test_truncated_files_are_errors_never_grey(
    kind: str, options: dict[str, Any], tolerant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is cut off, the answer is the whole image or an error, also when a library has switched
    Pillow's global tolerance on."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    data = encode(Image.fromarray(RGB), kind, **options)
    whole = pixels(decode(data))
    errors = 0
    for length in sorted({*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 20, len(data))}):
        try:
            part = pixels(decode(data[:length]))
        except InputError as error:
            errors += 1
            assert "truncated" in str(error) or "broken" in str(error) or length < 32
            continue
        assert length > len(data) - 20 and np.array_equal(part, whole)
    assert errors > 60


@pytest.mark.parametrize("tolerant", [False, True])
def test_a_png_whose_pixel_stream_ends_early_is_truncated(
    tolerant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    rows = b"".join(b"\0" + row.tobytes() for row in RGB)
    whole = png(W, H, 8, 2, rows)
    body = zlib.compress(rows)[:-40]
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    cut = whole[:33] + chunk + whole[-12:]
    assert pixels(decode(whole)).shape == (H, W, 3)
    with pytest.raises(InputError, match="truncated"):
        decode(cut)


def test_pixel_limit_is_checked_before_anything_is_allocated() -> None:
    bomb = png(60_000, 60_000, 8, 2, b"\0" * 100)
    with pytest.raises(InputError, match=r"too many pixels: 60000 x 60000 .*max_pixels=178000000"):
        decode(bomb)
    bmp = bytearray(encode(Image.new("RGB", (8, 8)), "BMP"))
    struct.pack_into("<ii", bmp, 18, 50_000, 50_000)
    with pytest.raises(InputError, match="too many pixels"):
        decode(bytes(bmp))
    webp = bytearray(encode(Image.new("RGBA", (8, 8)), "WEBP", exif=b"Exif\0\0"))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = b"\xff\xff\x00\xff\xff\x00"
    with pytest.raises(InputError, match="too many pixels: 65536 x 65536"):
        decode(bytes(webp))


def test_pixel_limit_is_an_option_and_not_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    data = encode(Image.fromarray(RGB), "PNG")
    assert decode(data, ImageLimits(max_pixels=W * H)).width == W
    with pytest.raises(InputError, match=f"max_pixels={W * H - 1}"):
        decode(data, ImageLimits(max_pixels=W * H - 1))


def test_zero_size() -> None:
    with pytest.raises(InputError, match="zero size"):
        decode(png(0, 5, 8, 2, b""))


def test_memory_error_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def starve(self: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", starve)
    with pytest.raises(InputError, match="MemoryError"):
        decode(encode(Image.fromarray(RGB), "JPEG"))


def test_verbatim_bytes_decode_to_the_same_pixels_elsewhere() -> None:
    """``verbatim`` promises that Pillow's plain way of opening gives just these pixels."""
    for kind, mode in (("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "L")):
        data = encode(Image.fromarray(RGB).convert(mode), kind)
        decoded = decode(data)
        assert decoded.verbatim
        assert np.array_equal(pixels(decoded), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def samples() -> list[bytes]:
    small = Image.fromarray(RGB[:20, :24])
    cmyk = Image.fromarray(np.dstack([RGB, RAMP])[:20, :24], mode="CMYK")
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encode(small, "JPEG", exif=exif),
        encode(small, "JPEG", progressive=True),
        encode(cmyk, "JPEG"),
        encode(small, "PNG"),
        encode(small.convert("P"), "PNG", transparency=3),
        grey_png16(RAMP[:20, :24].astype(np.uint16) * 16),
        rgb_png16(RGB[:20, :24].astype(np.uint16) * 16),
        encode(small, "TIFF"),
        encode(small, "TIFF", compression="tiff_lzw"),
        encode(small.convert("1"), "TIFF", compression="group4"),
        tiff(RAMP[:20, :24].astype(np.float64)),
        tiff(RGB[:20, :24].astype(np.uint16), photometric="rgb", compression="zlib"),
        tiff(np.moveaxis(RGB[:20, :24], -1, 0).astype(np.uint16), photometric="rgb", planarconfig="separate"),
        encode(small, "GIF", save_all=True, append_images=[small.rotate(90)]),
        encode(small, "WEBP"),
        encode(small.convert("RGBA"), "WEBP", lossless=True),
        encode(small, "BMP"),
    ]


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    way = rng.randrange(4)
    out = bytearray(data)
    if way == 0:
        for _ in range(rng.choice((1, 2, 8, 40))):
            out[rng.randrange(len(out))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif way == 1:
        del out[rng.randrange(len(out)) :]
    elif way == 2:
        at, start = rng.randrange(len(out)), rng.randrange(len(other))
        out[at : at + rng.randrange(64)] = other[start : start + rng.randrange(64)]
    else:  # the header is where the sizes are
        for _ in range(rng.choice((1, 3))):
            out[rng.randrange(min(len(out), 200))] = rng.randrange(256)
    return bytes(out)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_5000_mutated_images_decode_or_are_refused() -> None:
    rng = random.Random(20261122)
    base = samples()
    limits = ImageLimits(max_pixels=4_000_000)
    refused = 0
    for _ in range(5000):
        data = mutate(rng.choice(base), rng.choice(base), rng)
        try:
            decoded = decode(data, limits)
        except InputError as error:
            refused += 1
            assert str(error)
            continue
        assert decoded.image.mode == "RGB" and 0 < decoded.width * decoded.height <= 4_000_000
    assert 1000 < refused < 5000


@pytest.mark.real_data
def test_real_article_images(shared_data: Path) -> None:
    """Every image file of the real packages decodes, and the kinds are as looked up by eye."""
    kinds: dict[tuple[str, bool], int] = {}
    for path in sorted((shared_data / "articles").glob("*/*")):
        if path.suffix not in (".xml", ".pdf", ".html"):
            decoded = decode(path.read_bytes())
            key = decoded.format, decoded.verbatim
            kinds[key] = kinds.get(key, 0) + 1
    assert kinds == {("jpeg", True): 73, ("png", True): 51, ("png", False): 1, ("tiff", False): 9}
