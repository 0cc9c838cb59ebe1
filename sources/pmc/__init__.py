"""The source ``pmc-oa``: PubMed Central's open articles, from the public bucket of the PMC Cloud Service."""
