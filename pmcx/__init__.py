"""pmcx: panel-caption pairs from open biomedical articles."""

__version__ = "0.1.0"
