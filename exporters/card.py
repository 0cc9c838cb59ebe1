"""Dataset cards: the README.md of a format's folder, with the YAML that makes it load as it is.

The header declares the features, so that ``datasets`` need not guess them from the first five samples
(a list that is empty in all five would become type null). Contents come from the run's books alone.
Format: https://huggingface.co/docs/hub/datasets-cards.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..core.schema import MADE_BY, pair_schema
from ..core.stages import RunSummary

if TYPE_CHECKING:
    import pyarrow as pa

TITLE = "Panel-caption pairs from open biomedical articles"
SPLITS = ("train", "validation", "test")
HUB_LICENSES = {"CC0": "cc0-1.0"}
"""Families that the hub has one id for; of the others it wants a version, which the books do not tell."""
ALIGNMENTS = {
    "letter": "the panel's letter was read in the image and found in the caption",
    "order": "panels and caption parts were matched by their order",
    "whole-figure": "the figure is one panel and has the whole caption",
    "unmatched": "no caption part was found; `subcaption` is empty",
}
_SHARD = re.compile(r"([a-z]+)-([0-9]{6,})\.[a-z]+")


def webdataset_card(summary: RunSummary, suffix: str) -> bytes:
    """README.md of a folder of tar shards whose images are named ``.<suffix>``."""
    shards = _by_split(summary, ".tar")
    features = [
        *_feature("__key__", "string"),
        *_feature("__url__", "string"),
        *_feature(suffix, "image"),
        "- name: json",
        "  struct:",
        *_indented(_features(pair_schema()), 2),
        *_feature("txt", "string"),
    ]
    split = next(iter(shards), "train")
    rows = sum(summary.files[f"webdataset/{name}"].rows for name in shards.get(split, ()))
    load = f"""A sample is `<key>.{suffix}` (the panel), `<key>.json` (all fields below) and `<key>.txt` (the
training text: `subcaption`, or the whole `caption` where there is none). `sizes.json` holds the number
of samples of each shard, this file the types of all fields: keep both beside the shards. Run these in
this folder.

[webdataset](https://github.com/webdataset/webdataset):

```python
import json
import webdataset as wds

with open("sizes.json") as file:
    shards = sorted(name for name in json.load(file) if name.startswith("{split}-"))
dataset = wds.WebDataset(shards, shardshuffle=len(shards)).shuffle(1000).decode("pil")
for image, text, row in dataset.to_tuple("{suffix}", "txt", "json"):
    print(image.size, row["license"], text)
    break
```

[open_clip](https://github.com/mlfoundations/open_clip):

```sh
python -m open_clip_train.main --dataset-type webdataset --train-num-samples {rows} \\
  --train-data '{shard_spec(shards.get(split, ()))}'
```

The caption fields are top-level strings of the JSON, so `--json-text-key "caption;subcaption"` works where
the installed version has it. open_clip 3.3 needs `webdataset<=0.2.86`.

{_load_datasets(split, f'row["{suffix}"].size, row["json"]["license"], row["txt"]')}"""
    return _card(summary, shards, features, load, "webdataset")


def parquet_card(summary: RunSummary) -> bytes:
    """README.md of a folder of Parquet files."""
    shards = _by_split(summary, ".parquet")
    split = next(iter(shards), "train")
    load = f"""One row is one panel: `image` (`struct<bytes, path>`, the encoded file) and the fields below.
Run these in this folder.

{_load_datasets(split, 'row["image"].size, row["license"], row["subcaption"]')}

[DuckDB](https://duckdb.org), which reads only the columns a query names:

```python
import duckdb

query = "SELECT license, count(*) AS pairs FROM '*.parquet' GROUP BY license ORDER BY pairs DESC"
print(duckdb.sql(query))
```

[pandas](https://pandas.pydata.org):

```python
import glob
import pandas as pd

frame = pd.read_parquet(sorted(glob.glob("*.parquet"))[0], columns=["key", "subcaption", "license"])
print(frame.head())
```"""
    return _card(summary, shards, [*_feature("image", "image"), *_features(pair_schema())], load, "parquet")


def shard_spec(names: Iterable[str]) -> str:
    """Shard names as webdataset and open_clip take them: brace ranges of files that exist, joined by ``::``.

    ``train-000000.tar``, ``train-000001.tar``, ``train-000004.tar`` give
    ``train-{000000..000001}.tar::train-000004.tar``.
    """
    parts = []
    numbered = ((int(name[name.index("-") + 1 : name.index(".")]), name) for name in names)
    runs = itertools.groupby(enumerate(sorted(numbered)), key=lambda item: item[1][0] - item[0])
    for _, run in runs:
        members = [name for _, (_, name) in run]
        first, last = members[0], members[-1]
        stem, dot = first.index("-") + 1, first.index(".")
        braces = f"{first[:stem]}{{{first[stem:dot]}..{last[stem : last.index('.')]}}}{first[dot:]}"
        parts.append(first if len(members) == 1 else braces)
    return "::".join(parts)


def _by_split(summary: RunSummary, ending: str) -> dict[str, list[str]]:
    """Base names of the data files by split, in the customary order of splits, names sorted."""
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    for path in sorted(summary.files):
        name = PurePosixPath(path).name
        match = _SHARD.fullmatch(name)
        if match and name.endswith(ending):
            found.setdefault(match[1], []).append(name)
    return {split: names for split, names in found.items() if names}


# -- YAML header ------------------------------------------------------------------------------------


def _features(fields: Iterable[pa.Field]) -> list[str]:
    return [line for field in fields for line in _feature(field.name, field.type)]


def _feature(name: str, kind: pa.DataType | str) -> list[str]:
    """One entry of the ``features`` list of a card, as ``datasets`` writes and reads it."""
    return [f"- name: {name}", *_indented(_type_lines(kind), 2)]


def _type_lines(kind: pa.DataType | str) -> list[str]:
    import pyarrow as pa

    if isinstance(kind, str):
        return [f"dtype: {kind}"]
    if pa.types.is_struct(kind):
        return ["struct:", *_features(kind)]
    if pa.types.is_list(kind):
        item = kind.value_type
        return ["list:", *_features(item)] if pa.types.is_struct(item) else [f"list: {_scalar(item)}"]
    return [f"dtype: {_scalar(kind)}"]


def _scalar(kind: pa.DataType) -> str:
    return {"double": "float64"}.get(str(kind), str(kind))


def _indented(lines: Iterable[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def _header(pairs: int, licenses: Sequence[str], shards: Mapping[str, list[str]], features: list[str]) -> str:
    lines = [f"pretty_name: {TITLE}"]
    hub = HUB_LICENSES.get(licenses[0]) if len(licenses) == 1 else None
    lines += [f"license: {hub}"] if hub else ["license: other", "license_name: stated-for-each-row"]
    lines += ["task_categories:", "- image-to-text", "- zero-shot-image-classification"]
    lines += ["tags:", "- biology", "- medical", "- scientific-figures"]
    lines += ["size_categories:", f"- {_size_category(pairs)}"]
    if shards:
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split, names in shards.items():
            ending = names[0].rpartition(".")[2]
            lines += [f"  - split: {split}", f'    path: "{split}-*.{ending}"']
    lines += ["dataset_info:", "  features:", *_indented(features, 2)]
    return "\n".join(["---", *lines, "---"])


def _size_category(rows: int) -> str:
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    for power, (low, high) in enumerate(itertools.pairwise(["", *bounds]), start=3):
        if rows < 10**power:
            return f"{low}<n<{high}" if low else "n<1K"
    return "n>1B"


# -- text -------------------------------------------------------------------------------------------


def _card(
    summary: RunSummary,
    shards: Mapping[str, list[str]],
    features: list[str],
    load: str,
    root: str,
) -> bytes:
    counts = summary.counts
    files = {name: summary.files[f"{root}/{name}"] for names in shards.values() for name in names}
    pairs = sum(info.rows for info in files.values())
    licenses = dict(_group(counts, "license."))
    terms = "mixed, stated for each row" if len(licenses) != 1 else f"{next(iter(licenses))} throughout"
    sections = [
        _header(pairs, list(licenses), shards, features),
        f"# {TITLE}",
        f"{pairs:,} panels of {counts.get('figures', 0):,} figures from {counts.get('articles', 0):,} "
        "articles, each with its words, its place in the published image, and its licence "
        f"({terms}). Made by pmcx.",
        "## Splits",
        "An article is in one split only.",
        _table(
            ("split", "pairs", "files", "bytes"),
            [
                (split, sum(files[n].rows for n in names), len(names), sum(files[n].size for n in names))
                for split, names in shards.items()
            ],
        ),
        "## Load",
        load,
        "## Licences and attribution",
        "Every article keeps its own licence. The fields `license`, `license_spdx` and `license_url` say "
        "which holds for a row, `attribution` whom to credit; keep them with whatever you copy from here. "
        "The licence of the software that made this dataset does not extend to its contents. `third_party` "
        "is `suspect` or `yes` where a figure seems to belong to somebody else than the article's authors.",
        _table(("licence", "pairs", "share", "commercial use", "changes"), _license_rows(licenses)),
        "## How panels got their words",
        _table(
            ("alignment", "pairs", "share", "meaning"),
            [
                (name, count, share, ALIGNMENTS.get(name, ""))
                for name, count, share in _shares(dict(_group(counts, "alignment.")))
            ],
        ),
        "`subcaption` is always made of the spans `spans` of `caption`: no words are invented.",
        "## Fields",
        _table(("field", "type", "content"), _field_rows(pair_schema())),
        "Nothing is null: unknown text is empty, unknown lists are empty. Abstracts, subjects and authors of "
        "the articles are in the run's `articles/` folder, one row an article, joined by `article`.",
        "## Left out",
        _table(
            ("what", "reason", "items"),
            [
                (what, reason, count)
                for what, prefix in (("lost", "failed."), ("dropped on purpose", "dropped."))
                for reason, count in _group(counts, prefix)
            ],
        ),
        "## Made by",
        _table(
            ("stage", "plugin"),
            [(kind, summary.made_by[kind]) for kind in MADE_BY if kind in summary.made_by],
        ),
    ]
    return ("\n\n".join(sections) + "\n").encode()


def _load_datasets(split: str, shown: str) -> str:
    return f"""[datasets](https://huggingface.co/docs/datasets), `streaming=True` or not:

```python
import os
from datasets import load_dataset

dataset = load_dataset(os.getcwd(), split="{split}", streaming=True)  # the path of this folder
for row in dataset:
    print({shown})
    break
```"""


def _group(counts: Mapping[str, int], prefix: str) -> list[tuple[str, int]]:
    """The counts below a prefix, largest first."""
    found = [(name[len(prefix) :], n) for name, n in counts.items() if name.startswith(prefix) and n]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _shares(counts: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    total = sum(counts.values())
    for name, count in counts.items():
        yield name, count, f"{count / total:.1%}"


def _license_rows(licenses: Mapping[str, int]) -> Iterator[tuple[str, int, str, str, str]]:
    """Licences with what their names say: NC forbids commercial use, ND changes, SA asks for the same."""
    for code, count, share in _shares(licenses):
        terms = set(re.split(r"[^A-Z0-9]+", code.upper()))
        if not terms & {"CC", "CC0", "PD"}:
            yield code, count, share, "see the row", "see the row"
            continue
        changes = "no" if "ND" in terms else "under the same licence" if "SA" in terms else "yes"
        yield code, count, share, "no" if "NC" in terms else "yes", changes


def _field_rows(schema: pa.Schema) -> Iterator[tuple[str, str, str]]:
    for field in schema:
        yield f"`{field.name}`", f"`{_type_name(field.type)}`", field.metadata[b"description"].decode()


def _type_name(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name}: {_type_name(field.type)}" for field in kind) + "}"
    if pa.types.is_list(kind):
        return f"[{_type_name(kind.value_type)}]"
    return _scalar(kind)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    body = [[_cell(value) for value in row] for row in rows]
    if not body:
        return "None."
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *body])


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
