"""Exporters: the formats a run is written in."""
