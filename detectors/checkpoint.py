"""Checkpoint folders in the Hugging Face format: finding, checking and hashing them, without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.errors import PluginError, UsageError
from ..core.files import hash_file

INSTALL = "pip install 'pmcx-extract[detr]'"
CONFIG_FILES = ("config.json", "preprocessor_config.json")
WEIGHT_FILES = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
GRAPH = "model.onnx"
SHIPPED = Path(__file__).parent / "weights"
"""The weights that come with pmcx."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def checkpoint_folder(weights: str, revision: str = "") -> Path:
    """The folder of a usable checkpoint: ``weights`` itself, or the cached snapshot of that hub id; of no
    weights, those that come with pmcx.

    Raises UsageError where there is none, where its weights are not safetensors, or where the image
    processor's configuration is missing.
    """
    if not weights:
        if not SHIPPED.is_dir():
            raise UsageError(
                f"the weights that come with pmcx are missing ({SHIPPED}): install it again, or pass a "
                "checkpoint folder or hub id with --detector-option weights=DIR"
            )
        return SHIPPED
    folder = Path(weights).expanduser()
    if folder.is_file():
        raise UsageError(f"weights={weights} is a file; pass the folder that holds it and its config.json")
    if not folder.is_dir():
        if not _HUB_ID.fullmatch(weights):
            raise UsageError(f"no such folder: weights={weights}")
        folder = _snapshot(weights, revision)
    names = sorted(path.name for path in folder.iterdir())
    if not any(name.endswith(".safetensors") for name in names):
        pickles = [name for name in names if name.endswith(_PICKLES)]
        if pickles:
            raise UsageError(
                f"{weights} holds its weights as pickle only ({', '.join(pickles)}), which can run any code "
                "when loaded; have somebody you trust convert it: "
                "model.save_pretrained(DIR, safe_serialization=True) writes model.safetensors"
            )
        raise UsageError(
            f"{weights} holds no model.safetensors; it is no folder of save_pretrained, "
            "or a hub model that has pickled weights only"
        )
    missing = [name for name in CONFIG_FILES if name not in names]
    if missing:
        raise UsageError(
            f"{weights} lacks {' and '.join(missing)}; "
            "write them with model.save_pretrained(DIR) and image_processor.save_pretrained(DIR)"
        )
    return folder


def runtime_of(folder: Path, wanted: str, device: str) -> str:
    """The runtime of a checkpoint: as ``wanted``, or for ``auto`` as its files and ``device`` have it.

    UsageError where the runtime cannot run the checkpoint, or not on that device.
    """
    graph = (folder / GRAPH).exists()
    if wanted == "auto":
        return "onnxruntime" if graph and device != "cuda" else "torch"
    if wanted != "torch" and not graph:
        raise UsageError(f"runtime={wanted} needs a {GRAPH} beside the weights; {folder} holds none")
    if wanted != "torch" and device == "cuda":
        raise UsageError(f"device=cuda needs runtime=torch, not {wanted}")
    return wanted


def panel_classes(id2label: Mapping[Any, str], labels: Sequence[str]) -> frozenset[int]:
    """Class indices of ``labels``, all for none; UsageError for a name that the checkpoint does not know."""
    names = {int(index): str(name) for index, name in id2label.items()}
    unknown = sorted(set(labels) - set(names.values()))
    if unknown:
        raise UsageError(
            f"labels: the checkpoint has no class {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(sorted(set(names.values())))}"
        )
    return frozenset(index for index, name in names.items() if not labels or name in labels)


def _snapshot(repo: str, revision: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise PluginError(f"weights={repo} is no folder, and hub ids need {error.name}: {INSTALL}") from error
    wanted = [*CONFIG_FILES, *WEIGHT_FILES]
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"weights={repo} is neither a folder nor a model that could be fetched from the Hugging Face hub "
            f"({first_line(error)}); check the name and the network, or pass a folder"
        ) from error


def file_hashes(folder: Path) -> dict[str, str]:
    """sha256 by file name of what shapes a checkpoint's answers: weights and configuration."""
    names = (*CONFIG_FILES, GRAPH)
    files = [*folder.glob("*.safetensors"), *(folder / name for name in names if (folder / name).exists())]
    return {path.name: _sha256(path, *_stamp(path)) for path in sorted(files)}


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, mtime: int) -> str:
    """``size`` and ``mtime`` are part of the cache's key only."""
    return hash_file(path)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
