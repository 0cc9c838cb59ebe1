"""Bounded vocabularies for the type in synthetic figures (bounded, so that text masks stay cached)."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Rng

GROUPS: tuple[tuple[str, ...], ...] = (
    ("Control", "Treated"),
    ("WT", "KO"),
    ("Sham", "MI"),
    ("Vehicle", "Drug"),
    ("siNC", "siRNA-1", "siRNA-2"),
    ("Con", "Low", "Mid", "High"),
    ("0 h", "6 h", "12 h", "24 h", "48 h"),
    ("0", "1", "5", "10", "50", "100"),
    ("Healthy", "Patients"),
    ("Normal", "Tumor"),
    ("NC", "LPS", "LPS+DEX"),
    ("D0", "D3", "D7", "D14", "D21", "D28"),
    ("Q1", "Q2", "Q3", "Q4"),
    ("WT", "Het", "Hom"),
    ("M0", "M1", "M2"),
    ("PBS", "OVA", "OVA+IgG"),
    ("Male", "Female"),
    ("Young", "Aged"),
    ("-", "+", "-", "+"),
    ("A549", "H1299", "HeLa", "MCF-7", "HEK293"),
    ("Stage I", "Stage II", "Stage III", "Stage IV"),
    ("CON", "EXP"),
    ("2016", "2017", "2018", "2019", "2020", "2021"),
    ("<40", "40-59", "60-79", ">80"),
    ("shCtrl", "sh#1", "sh#2"),
    ("CD4+", "CD8+", "NK", "B cell", "Mono"),
    ("Forest", "Grassland", "Urban", "Wetland"),
    ("HC", "MCI", "AD"),
    ("Baseline", "Week 4", "Week 12"),
)
GENES = (
    "TP53", "EGFR", "MYC", "KRAS", "ACTB", "GAPDH", "IL6", "TNF", "CD44", "VEGFA", "STAT3", "AKT1",
    "BCL2", "CDH1", "VIM", "SOX2", "NANOG", "PTEN", "MTOR", "FOXP3", "IFNG", "CXCL8", "TLR4", "NFKB1",
    "HIF1A", "MAPK1", "JUN", "FOS", "CCND1", "E2F1", "RB1", "BRCA1", "ATM", "PIK3CA", "ERBB2", "COL1A1",
    "FN1", "ACTA2",
)  # fmt: skip
TERMS = (
    "cell cycle", "apoptotic process", "immune response", "DNA repair", "ribosome",
    "p53 signaling pathway", "oxidative phosphorylation", "PI3K-Akt signaling", "cell adhesion",
    "metabolic pathways", "focal adhesion", "cytokine activity", "ECM-receptor interaction",
    "MAPK signaling", "protein binding", "mitochondrion", "extracellular exosome", "Wnt signaling",
    "TGF-beta signaling", "lipid metabolism", "angiogenesis",
)  # fmt: skip
Y_TITLES = (
    "Relative expression", "Cell viability (%)", "Fold change", "mRNA level", "Body weight (g)",
    "Concentration", "Tumor volume (mm3)", "Positive cells (%)", "OD 450 nm", "Fluorescence (a.u.)",
    "Number of cells", "Score", "Relative mRNA expression", "Time (s)", "Intensity (a.u.)",
    "Apoptosis rate (%)", "IL-6 (pg/ml)", "Accuracy", "Normalized activity", "Percentage (%)",
    "Density", "Frequency", "Distance (um)", "Absorbance", "Incidence", "Firing rate (Hz)",
    "Colony number", "Migration (%)", "Glucose (mM)", "CFU/ml", "Species richness", "Cases",
)  # fmt: skip
X_TITLES = (
    "Time (h)", "Time (days)", "Concentration (uM)", "Age (years)", "Time (min)", "Dose (mg/kg)",
    "Cycle", "Weeks", "Distance (mm)", "Temperature", "Frequency (Hz)", "Wavelength (nm)", "Position",
    "Year", "Months", "pH", "Days post infection", "Log concentration", "Voltage (mV)", "Trial",
    "Epoch", "Depth (m)", "BMI (kg/m2)",
)  # fmt: skip
TITLES = (
    "Control", "Experiment 1", "Liver", "Kidney", "Lung", "Brain", "HeLa", "A549", "MCF-7", "Day 7",
    "Day 14", "Male", "IL-6", "TNF-a", "Overall survival", "Training set", "Validation set", "p53",
    "Heart rate", "Cortex", "24 h", "Spleen", "Placebo", "CD4+ T cells", "Expression", "Hippocampus",
    "Cell proliferation", "TCGA", "GSE12345", "ROC",
)  # fmt: skip
METHODS = (
    "Model A", "Model B", "SVM", "Random forest", "CNN", "Ours", "Baseline", "LASSO", "XGBoost",
    "ResNet",
)  # fmt: skip
STARS = ("*", "**", "***", "ns", "****", "#", "P=0.03", "P<0.001", "a", "b")
NOTES = (
    "R2 = 0.87", "r = 0.62", "P < 0.001", "P = 0.024", "n = 12", "AUC = 0.84", "HR = 1.72",
    "Log-rank P = 0.003", "y = 0.8x + 1.2", "n.s.", "R = -0.45", "p = 0.31", "N = 120",
)  # fmt: skip
SHORT = (
    "Akt", "ERK", "NF-kB", "p53", "Ras", "Raf", "MEK", "PI3K", "mTOR", "TLR4", "IL-1b", "TNF-a", "Wnt",
    "STAT3", "Bcl-2", "Bax", "ROS", "Ca2+", "cAMP", "PKA", "GPCR", "JAK", "Smad", "TGF-b", "VEGF",
    "HIF-1", "ATP", "Notch",
)  # fmt: skip
STEPS = (
    "Records identified", "Assessed for eligibility", "Excluded (n = 42)", "Randomized (n = 120)",
    "Follow-up", "Allocated to intervention", "Analysed (n = 58)", "Lost to follow-up",
    "Data collection", "Quality control", "Feature extraction", "Preprocessing", "Training set",
    "Test set", "Sample collection", "RNA sequencing", "Statistical analysis", "Screening",
    "Full-text articles", "Included studies", "Duplicates removed", "Enrolled", "Control group",
    "Not meeting criteria", "Baseline survey", "Meta-analysis", "Literature search", "Interviews",
)  # fmt: skip
HEADS = (
    "Variable", "n (%)", "Mean", "SD", "P value", "OR (95% CI)", "Group", "Control", "Patients",
    "Sample", "Gene", "Age", "Value", "Total", "Study", "Year", "Species", "Method", "HR", "Sequence",
)  # fmt: skip
ROWS = (
    "Age (years)", "Male sex", "BMI", "Smoking", "Diabetes", "Hypertension", "Stage I", "Stage II",
    "Stage III", "Tumor size", "Lymph node", "Albumin", "CRP", "Creatinine", "Hemoglobin", "LDL",
    "Education", "Income", "Smith 2012", "Wang 2015", "Garcia 2018", "Mueller 2009", "Tanaka 2020",
    "Overall", "Subtotal", "Li 2019",
)  # fmt: skip
NUMBERS = (
    "0.12", "0.45", "1.23", "2.07", "12.4", "35 (41.2)", "58 (60.1)", "0.003", "<0.001", "0.87", "102",
    "7.9", "24.6", "1.52 (1.10-2.09)", "0.71 (0.52-0.96)", "3.4", "56", "18", "0.91", "1.08",
    "5.6 ± 1.2", "63.1 ± 9.8", "NA", "-",
)  # fmt: skip
PROSE = (
    "the patients were followed", "in the present study", "Results were obtained from",
    "significant difference", "between both groups", "and the mean value of", "was associated with",
    "after treatment with", "samples from", "cells were cultured in", "as described previously",
    "and analysed by", "with a median age of", "at baseline", "for each of the items",
    "participants agreed that", "according to the protocol", "How often do you", "yes / no",
)  # fmt: skip


def pick(rng: Rng, words: Sequence[str]) -> str:
    """One word."""
    return words[int(rng.random() * len(words))]


def some(rng: Rng, words: Sequence[str], count: int) -> list[str]:
    """`count` words; neighbours of the vocabulary, all different while it lasts."""
    start = int(rng.random() * len(words))
    return [words[(start + i) % len(words)] for i in range(count)]


def groups(rng: Rng, most: int = 6) -> list[str]:
    """Names of the groups of one experiment, two to `most`."""
    if most >= 6 and rng.random() < 0.25:
        return some(rng, GENES, 3 + int(rng.random() * (most - 2)))
    return list(GROUPS[int(rng.random() * len(GROUPS))][:most])
