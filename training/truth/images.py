"""The image files that annotations name."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import InputError, UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".gif", ".webp", ".bmp")


def find_image(folder: Path, name: str) -> Path:
    """The image called ``name`` below ``folder``: as written, with a suffix added, or by its last part.

    Raises UsageError where there is none, and where the path leaves the folder.
    """
    for relative in dict.fromkeys(
        (name, name.replace("\\", "/"), name.replace("\\", "/").rpartition("/")[2])
    ):
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            continue
        for suffix in ("", *SUFFIXES, *(s.upper() for s in SUFFIXES)):
            path = folder / f"{relative}{suffix}"
            if path.is_file():
                return path
    raise UsageError(f"no image {name!r} below {folder} (looked for it with and without an extension)")


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as displayed; UsageError where the file is no image."""
    from ...core.decode import decode

    try:
        decoded = decode(path.read_bytes())
    except InputError as error:
        raise UsageError(f"{path}: {error}") from None
    return decoded.width, decoded.height
