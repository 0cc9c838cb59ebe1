"""The made-up studies behind the demo articles: what was compared, in whom, and what was measured.

Every name of a compound, gene, protein, cohort or place is invented.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Arm:
    """A group of a study: how a panel writes it, and how a caption does."""

    label: str
    words: str


@dataclasses.dataclass(frozen=True)
class Measure:
    """A measured quantity: axis label, caption words, and the range of a control group's mean."""

    axis: str
    words: str
    low: float
    high: float
    limit: float = float("inf")
    """Values above this do not exist (100 %, a score of 1)."""
    falls: bool = False
    """Whether a time course goes down."""


@dataclasses.dataclass(frozen=True)
class Topic:
    """A field of research: its subjects, vocabulary and the kinds of panel it publishes."""

    name: str
    title: str
    subjects: str
    """Animals, patients or cells, as a plural noun."""
    tissue: tuple[str, ...]
    arms: tuple[tuple[Arm, ...], ...]
    measures: tuple[Measure, ...]
    series: tuple[Measure, ...]
    time: tuple[str, int]
    outcome: str
    families: dict[str, int]
    subject_heading: str
    keywords: tuple[str, ...]


def _arms(*pairs: tuple[str, str]) -> tuple[Arm, ...]:
    return tuple(Arm(label, words) for label, words in pairs)


DOSES = _arms(("Vehicle", "vehicle-treated"), ("Low", "low-dose"), ("High", "high-dose"))
KNOCKOUT = _arms(("WT", "wild-type"), ("KO", "knockout"))
RESCUE = _arms(("WT", "wild-type"), ("KO", "knockout"), ("Rescue", "rescued"))
SHAM = _arms(("Sham", "sham-operated"), ("Injury", "injured"), ("Treated", "treated"))
CASES = _arms(("Control", "control"), ("Case", "affected"))
STAGES = _arms(("Early", "early-stage"), ("Mid", "mid-stage"), ("Late", "late-stage"))
RISK = _arms(("Low risk", "low-risk"), ("High risk", "high-risk"))
DIET = _arms(("Chow", "chow-fed"), ("HFD", "high-fat-fed"))
TRIAL = _arms(("Placebo", "placebo-treated"), ("Active", "actively treated"))

TOPICS: tuple[Topic, ...] = (
    Topic(
        name="hepatology",
        title="{drug} limits {tissue} injury through {gene} in a simulated mouse model",
        subjects="mice",
        tissue=("liver", "kidney", "colon"),
        arms=(DOSES, KNOCKOUT, DIET, RESCUE),
        measures=(
            Measure("{gene} mRNA (fold change)", "relative {gene} mRNA level", 0.9, 1.1),
            Measure("Serum ALT (U/L)", "serum alanine aminotransferase activity", 28, 60),
            Measure("Triglycerides (mg/g)", "tissue triglyceride content", 12, 40),
            Measure("Collagen area (%)", "collagen-positive area", 1.5, 4),
            Measure("IL-6 (pg/ml)", "serum interleukin-6 concentration", 20, 60),
            Measure("Body weight (g)", "final body weight", 22, 27),
        ),
        series=(
            Measure("Body weight (g)", "body weight", 21, 25),
            Measure("Glucose (mmol/l)", "blood glucose", 6, 8),
        ),
        time=("Time (weeks)", 12),
        outcome="Survival",
        families={
            "bars": 5, "boxes": 3, "lines": 4, "histology": 6, "fluorescence": 3, "blot": 4, "heatmap": 2,
            "scatter": 2, "survival": 1, "flow": 1, "molecule": 2, "violins": 1, "gel": 1,
        },
        subject_heading="Experimental Medicine",
        keywords=("fibrosis", "mouse model", "signalling"),
    ),
    Topic(
        name="oncology",
        title="{gene} marks an aggressive subgroup of a simulated {tissue} cancer cohort",
        subjects="patients",
        tissue=("breast", "lung", "colon"),
        arms=(RISK, STAGES, CASES),
        measures=(
            Measure("{gene} expression (log TPM)", "{gene} expression", 3, 5),
            Measure("Ki-67 index (%)", "Ki-67 labelling index", 10, 25, limit=100),
            Measure("Tumour size (mm)", "tumour diameter", 14, 28),
            Measure("CD8 cells per field", "density of CD8-positive cells", 30, 80),
        ),
        series=(
            Measure("Tumour volume (mm³)", "tumour volume", 90, 160),
            Measure("Cells (× 1000)", "cell number", 4, 8),
        ),
        time=("Time (days)", 28),
        outcome="Overall survival",
        families={
            "survival": 6, "forest": 4, "histology": 5, "violins": 3, "boxes": 3, "scatter": 2, "volcano": 3,
            "heatmap": 3, "roc": 3, "flow": 2, "lines": 2, "ct": 2, "table": 1, "network": 1, "histogram": 1,
        },
        subject_heading="Oncology",
        keywords=("biomarker", "prognosis", "cohort study"),
    ),
    Topic(
        name="radiology",
        title="Automated {tissue} measurement on simulated cross-sectional images",
        subjects="patients",
        tissue=("thoracic", "cerebral"),
        arms=(CASES, TRIAL, STAGES),
        measures=(
            Measure("Lesion volume (ml)", "lesion volume", 4, 14),
            Measure("ADC (mm²/s × 0.001)", "apparent diffusion coefficient", 0.8, 1.3),
            Measure("Dice score", "Dice score of the segmentation", 0.72, 0.84, limit=1.0),
            Measure("Attenuation (HU)", "mean attenuation", 35, 60),
        ),
        series=(
            Measure("Lesion volume (ml)", "lesion volume", 6, 12),
            Measure("Signal (a.u.)", "normalised signal intensity", 0.9, 1.1),
        ),
        time=("Follow-up (months)", 24),
        outcome="Progression-free survival",
        families={
            "ct": 7, "mr": 7, "agreement": 4, "boxes": 3, "roc": 4, "flow": 2, "bars": 2, "histogram": 2,
            "scatter": 2, "table": 1, "lines": 1, "survival": 1,
        },
        subject_heading="Medical Imaging",
        keywords=("computed tomography", "magnetic resonance imaging", "segmentation"),
    ),
    Topic(
        name="neuroscience",
        title="{gene} shapes the activity of simulated {tissue} circuits",
        subjects="mice",
        tissue=("cortical", "hippocampal"),
        arms=(KNOCKOUT, SHAM, RESCUE),
        measures=(
            Measure("Firing rate (Hz)", "mean firing rate", 4, 12),
            Measure("Spine density (per 10 \u00b5m)", "dendritic spine density", 6, 12),
            Measure("Time in arm (s)", "time spent in the open arm", 40, 90),
            Measure("{gene} positive cells (%)", "fraction of {gene}-positive cells", 20, 45, limit=100),
        ),
        series=(
            Measure("Latency (s)", "escape latency", 45, 60, falls=True),
            Measure("Distance (m)", "distance travelled", 8, 14),
        ),
        time=("Training day", 8),
        outcome="Survival",
        families={
            "fluorescence": 6, "traces": 5, "bars": 3, "lines": 4, "heatmap": 3, "violins": 3, "scatter": 2,
            "histogram": 2, "mr": 1, "blot": 2, "flow": 1, "boxes": 2,
        },
        subject_heading="Neuroscience",
        keywords=("electrophysiology", "behaviour", "synapse"),
    ),
    Topic(
        name="pharmacology",
        title="Discovery of {drug}, a simulated inhibitor of {gene}",
        subjects="cells",
        tissue=("tumour cell", "fibroblast"),
        arms=(DOSES, KNOCKOUT, RESCUE),
        measures=(
            Measure("Viability (%)", "cell viability", 80, 92, limit=100),
            Measure("Caspase activity (a.u.)", "caspase activity", 0.9, 1.2),
            Measure("{gene} activity (%)", "{gene} activity", 78, 92, limit=100),
            Measure("ROS (fold change)", "level of reactive oxygen species", 0.9, 1.1),
        ),
        series=(
            Measure("Absorbance (600 nm)", "optical density of the culture", 0.1, 0.2),
            Measure("Confluence (%)", "confluence", 12, 22),
        ),
        time=("Time (h)", 48),
        outcome="Survival",
        families={
            "molecule": 5, "dose": 6, "blot": 5, "gel": 3, "bars": 4, "fluorescence": 4, "network": 2,
            "heatmap": 2, "lines": 2, "volcano": 2, "table": 1, "scatter": 1,
        },
        subject_heading="Pharmacology",
        keywords=("inhibitor", "structure-activity relationship", "drug discovery"),
    ),
    Topic(
        name="epidemiology",
        title="{gene} variants and {tissue} outcomes in a simulated population cohort",
        subjects="participants",
        tissue=("cardiovascular", "respiratory"),
        arms=(RISK, TRIAL, STAGES),
        measures=(
            Measure("Systolic pressure (mmHg)", "systolic blood pressure", 118, 132),
            Measure("LDL (mmol/l)", "low-density lipoprotein cholesterol", 2.4, 3.6),
            Measure("Score (points)", "quality-of-life score", 52, 70),
            Measure("CRP (mg/l)", "C-reactive protein concentration", 1.5, 4),
        ),
        series=(
            Measure("Incidence (per 1000)", "age-adjusted incidence", 8, 20),
            Measure("Adherence (%)", "adherence to treatment", 88, 97, limit=100, falls=True),
        ),
        time=("Follow-up (years)", 10),
        outcome="Event-free survival",
        families={
            "flow": 5, "forest": 6, "survival": 4, "histogram": 3, "lines": 3, "table": 2, "bars": 3,
            "boxes": 2, "scatter": 2, "roc": 1, "network": 1,
        },
        subject_heading="Epidemiology",
        keywords=("cohort", "risk factors", "follow-up"),
    ),
)  # fmt: skip

_DRUGS = ("PX-204", "DM-118", "QZ-77", "EXA-31", "VRX-09")
_GENES = ("Dmx1", "Exa2", "Smp4", "Fict3", "Quux1", "Plac2", "Mok7")


@dataclasses.dataclass(frozen=True)
class Study:
    """One article's setting: a topic with its names filled in."""

    topic: Topic
    drug: str
    gene: str
    genes: tuple[str, ...]
    tissue: str
    arms: tuple[Arm, ...]
    n: int

    @property
    def subjects(self) -> str:
        return self.topic.subjects

    def fill(self, text: str) -> str:
        """``text`` with the study's names in place of ``{gene}``, ``{drug}`` and ``{tissue}``."""
        return text.format(gene=self.gene, drug=self.drug, tissue=self.tissue)

    def measure(self, rng: random.Random, of: Sequence[Measure]) -> Measure:
        pick = rng.choice(of)
        return dataclasses.replace(pick, axis=self.fill(pick.axis), words=self.fill(pick.words))

    def arm_words(self, arms: Sequence[Arm]) -> str:
        """The groups as a caption names them: ``wild-type and knockout mice``."""
        return f"{listed([arm.words for arm in arms])} {self.subjects}"


def make_study(rng: random.Random, index: int) -> Study:
    """The study of article ``index``; topics take turns, so that a few articles show them all."""
    topic = TOPICS[index % len(TOPICS)]
    genes = rng.sample(_GENES, 4)
    patient = topic.subjects in {"patients", "participants"}
    return Study(
        topic=topic,
        drug=rng.choice(_DRUGS),
        gene=genes[0].upper() if patient else genes[0],
        genes=tuple(g.upper() if patient else g for g in genes),
        tissue=rng.choice(topic.tissue),
        arms=rng.choice(topic.arms),
        n=rng.randint(24, 96) if patient else rng.randint(5, 12),
    )


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def capital(text: str) -> str:
    """``text`` with its first letter in upper case."""
    return text[:1].upper() + text[1:]
