"""Splitters: the words of each panel in a compound caption."""
