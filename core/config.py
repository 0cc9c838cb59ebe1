"""The configuration of a run: one typed model, read from ``run.toml``, ``PMCX_*`` and flags.

Precedence: flags over environment over file over defaults. An unknown key is an error that names the
nearest known one, with the place where it was found.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .decode import ImageLimits
from .errors import UsageError
from .panels import MAX_PANELS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LicenseFilter = Literal["any", "known", "noncommercial", "commercial"]

ENV_PREFIX = "PMCX_"
# Read by the registry and by logging, not part of a run's configuration.
ENV_RESERVED = frozenset({"PMCX_NO_PLUGINS", "PMCX_PLUGINS", "PMCX_LOG", "PMCX_CACHE"})


class Model(BaseModel):
    """Base of the configuration's tables: frozen, unknown keys forbidden."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True)


class StageConfig(Model):
    """One stage by name with its options; in TOML a string, or a table of ``name`` and options."""

    name: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and "options" not in value:
            options = {key: item for key, item in value.items() if key != "name"}
            return {**({"name": value["name"]} if "name" in value else {}), "options": options}
        return value


def year_range(text: str) -> tuple[int, int]:
    """First and last year of ``2020``, ``2018:2023``, ``2020:``, ``:2015`` or an empty text (all)."""
    first, colon, last = text.strip().partition(":")
    try:
        low = int(first) if first else 0
        return low, int(last) if last else low if first and not colon else 9999
    except ValueError:
        raise ValueError(f"{text!r} is no year or range of years (2020, 2018:2023, 2020:)") from None


class Filters(Model):
    """What is left out on purpose; every hit is recorded as a drop with its reason."""

    license: LicenseFilter = "any"
    """``any``; ``known`` (a licence was found); ``noncommercial`` (any Creative Commons licence or
    public domain); ``commercial`` (the same without NC)."""
    third_party: Literal["drop", "keep"] = "drop"
    """Figures whose wording points to somebody else's rights."""
    retracted: Literal["drop", "keep"] = "drop"
    article_types: Literal["research", "all"] = "research"
    """``research`` leaves out notices: corrections, retractions, expressions of concern."""
    min_side: Annotated[int, Field(ge=1)] = 24
    """Panels with a shorter side (pixels) are dropped."""
    years: str = ""
    """Years of publication kept: ``2020``, ``2018:2023``, ``2020:`` or ``:2015``; an article without a
    date is dropped. Empty keeps all."""
    journals: tuple[str, ...] = ()
    """Journals kept, by title as the article states it (case does not count). Empty keeps all."""
    max_figures: Annotated[int, Field(ge=1)] | None = None
    """Articles with more figures than this are dropped (atlases, image supplements)."""

    @field_validator("years")
    @classmethod
    def _range(cls, value: str) -> str:
        first, last = year_range(value)
        if first > last:
            raise ValueError(f"years: {value!r} ends before it begins")
        return value


class ImageConfig(Model):
    """How panel images are encoded; one format for a whole run, as every reader expects."""

    format: Literal["jpg", "png"] = "jpg"
    quality: Annotated[int, Field(ge=1, le=100)] = 92
    max_side: Annotated[int, Field(ge=16)] | None = None
    """Scale panels down to this longer side; None keeps full size (and whole figures byte for byte)."""


class Splits(Model):
    """Shares of articles that go to validation and test, by a hash of the article id."""

    validation: Annotated[float, Field(ge=0, le=1)] = 0.05
    test: Annotated[float, Field(ge=0, le=1)] = 0.05
    salt: str = ""

    @model_validator(mode="after")
    def _sum(self) -> Splits:
        if self.validation + self.test > 1:
            raise ValueError("validation and test shares add up to more than 1")
        return self


class Limits(Model):
    """Bounds that keep one bad input from harming a run."""

    max_pixels: Annotated[int, Field(ge=1)] = ImageLimits().max_pixels
    """Width x height of a source image, as its header states it."""
    max_panels: Annotated[int, Field(ge=1)] = MAX_PANELS
    article_timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds without progress after which a worker is killed and the article at fault is isolated."""
    fetch_timeout: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds that one wait for a network source may take before it counts as no progress."""


class RunConfig(Model):
    """Everything that decides what a run writes, and (last) how it is carried out."""

    source: StageConfig
    detector: StageConfig = StageConfig(name="detr")
    reader: StageConfig | None = None
    splitter: StageConfig | None = StageConfig(name="rules")
    classifier: StageConfig | None = None
    export: tuple[StageConfig, ...] = (StageConfig(name="webdataset"),)
    filters: Filters = Filters()
    image: ImageConfig = ImageConfig()
    splits: Splits = Splits()
    limits: Limits = Limits()
    unit_articles: Annotated[int, Field(ge=1)] | None = None
    """Articles in a unit (one output shard); None: 256, less for small runs so that all cores work."""

    workers: Annotated[int, Field(ge=0)] = 0
    """0: a process for each core; 1: in this process, where an article that crashes it is not isolated;
    more: that many processes."""
    executor: Literal["auto", "inline", "processes"] = "auto"
    max_failures: Annotated[int, Field(ge=0)] | None = None
    """Stop, with exit code 1, when more articles, figures or panels than this were lost."""
    blocked: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()

    @field_validator("export", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, Mapping)) else value

    @field_validator("export")
    @classmethod
    def _distinct(cls, value: tuple[StageConfig, ...]) -> tuple[StageConfig, ...]:
        names = [stage.name for stage in value]
        if not names:
            raise ValueError("at least one exporter is needed")
        if len(set(names)) < len(names):
            raise ValueError(f"an exporter is named twice: {', '.join(names)}")
        return value

    def stages(self) -> list[tuple[str, StageConfig]]:
        """(kind, stage) of every stage that this run uses, in the order of the data."""
        found = [
            ("source", self.source),
            ("detector", self.detector),
            ("reader", self.reader),
            ("splitter", self.splitter),
            ("classifier", self.classifier),
        ]
        chosen = [(kind, stage) for kind, stage in found if stage is not None]
        return chosen + [("exporter", stage) for stage in self.export]

    def circumstances(self) -> dict[str, Any]:
        """The settings that change how a run is carried out, never what it writes."""
        return self.model_dump(mode="json", include=CIRCUMSTANCES)

    def to_toml(self) -> str:
        """The configuration as ``run.toml``; reading it back gives an equal one."""
        import tomli_w

        data = self.model_dump(mode="json", exclude_none=True)
        return tomli_w.dumps(_flat_stages(data))


CIRCUMSTANCES = {"workers", "executor", "max_failures", "blocked", "plugins"}
_NONE = {"none", "null", "off"}


def load_config(
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> RunConfig:
    """Merge file, environment and flags; raises UsageError that names the key and where it stood."""
    data: dict[str, Any] = read_toml(file) if file is not None else {}
    _normalise_stages(data)
    _merge(data, _from_environ(os.environ if environ is None else environ))
    given = _without_none(flags or {})
    _normalise_stages(given)
    _merge(data, given)
    for kind in ("reader", "splitter", "classifier"):
        stage = data.get(kind)
        if isinstance(stage, Mapping) and str(stage.get("name")).lower() in _NONE:
            data[kind] = None
    if "source" not in data or not data["source"].get("name"):
        raise UsageError("no source is named; say --source folder --input PATH, or --source demo")
    return validate(RunConfig, data, str(file) if file else "the configuration")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; UsageError where it cannot be read or parsed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], data: Any, where: str) -> M:
    """``model.model_validate`` with errors in the user's words; unknown keys name the nearest."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(model, dict(item)) for item in error.errors()]
        raise UsageError(f"{where}: " + "; ".join(lines)) from error


def _explain(model: type[BaseModel], item: dict[str, Any]) -> str:
    path = [part for part in item["loc"] if part != "function-after"]
    dotted = ".".join(str(part) for part in path)
    if item["type"] != "extra_forbidden":
        got = "" if isinstance(item["input"], (dict, list, tuple)) else f" (got {item['input']!r})"
        return f"{dotted or 'value'}: {item['msg']}{got}"
    known = _keys(model, path[:-1])
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return f"unknown key {dotted!r}; {hint}"


def _keys(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """Field names of the table at ``path`` below ``model``."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        inner = _inner_model(field.annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is None:
        return None
    return next((m for m in map(_inner_model, get_args(annotation)) if m is not None), None)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    """``PMCX_FILTERS__MIN_SIDE=64`` -> ``{"filters": {"min_side": 64}}``."""
    found: dict[str, Any] = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX) or name in ENV_RESERVED:
            continue
        path = name[len(ENV_PREFIX) :].lower().split("__")
        if path[0] not in RunConfig.model_fields:
            near = difflib.get_close_matches(path[0], RunConfig.model_fields, n=1)
            hint = f"; did you mean {ENV_PREFIX}{near[0].upper()}?" if near else ""
            raise UsageError(f"the environment sets {name}, which is no setting of pmcx{hint}")
        if path == ["export"]:
            found["export"] = [part.strip() for part in value.split(",") if part.strip()]
            continue
        _merge(found, nested(path, scalar(value)))
    _normalise_stages(found)
    return found


def nested(path: list[str], value: Any) -> dict[str, Any]:
    """``(["a", "b"], 1)`` -> ``{"a": {"b": 1}}``."""
    for part in reversed(path):
        value = {part: value}
    result: dict[str, Any] = value
    return result


def scalar(text: str) -> Any:
    """A flag's or variable's value as TOML would read it, else the text itself."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (tomllib.TOMLDecodeError, ValueError):
        return text


def parse_assignments(pairs: Iterable[str], flag: str) -> dict[str, Any]:
    """``["a.b=1", "c=x"]`` -> nested tables; UsageError where the ``=`` is missing."""
    out: dict[str, Any] = {}
    for pair in pairs:
        key, sep, value = pair.partition("=")
        if not sep or not key.strip():
            raise UsageError(f"{flag} takes KEY=VALUE, got {pair!r}")
        _merge(out, nested(key.strip().replace("-", "_").split("."), scalar(value)))
    return out


_STAGE_KEYS = ("source", "detector", "reader", "splitter", "classifier")


def _normalise_stages(data: dict[str, Any]) -> None:
    for key in _STAGE_KEYS:
        value = data.get(key)
        if isinstance(value, str):
            data[key] = {"name": value}
        elif isinstance(value, Mapping) and "options" not in value:
            options = {k: v for k, v in value.items() if k != "name"}
            data[key] = {**({"name": value["name"]} if "name" in value else {}), "options": options}


def _flat_stages(data: dict[str, Any]) -> dict[str, Any]:
    """Stage tables as a person writes them: ``name`` and the options side by side."""

    def flat(stage: dict[str, Any]) -> dict[str, Any]:
        return {"name": stage["name"], **stage["options"]}

    out = {key: flat(value) if key in _STAGE_KEYS else value for key, value in data.items()}
    out["export"] = [flat(stage) for stage in data["export"]]
    # TOML has no null; an absent table would mean the default stage.
    return {**{key: "none" for key in ("reader", "splitter", "classifier") if key not in out}, **out}


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Merge tables deeply; naming another stage discards the options of the one before."""
    for key, value in more.items():
        old = into.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            if key in _STAGE_KEYS and value.get("name", old.get("name")) != old.get("name"):
                old.clear()
            _merge(old, value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _without_none(flags: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in flags.items():
        if isinstance(value, Mapping):
            inner = _without_none(value)
            if inner:
                out[key] = inner
        elif value is not None:
            out[key] = value
    return out
