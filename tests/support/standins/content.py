"""Generated content for the stand-ins: PMC articles and buckets, MECA archives and buckets."""

from .meca import MECA_TRAPS, MecaArchive, MecaBucket, make_meca, meca_archive
from .pmc import BUCKET, PmcArticle, PmcBucket, pmc_article, retracted
from .pmc_traps import PMC_TRAPS, pmc_trap

__all__ = [
    "BUCKET", "MECA_TRAPS", "PMC_TRAPS", "MecaArchive", "MecaBucket", "PmcArticle", "PmcBucket", "make_meca",
    "meca_archive", "pmc_article", "pmc_trap", "retracted",
]  # fmt: skip
