"""Readers: the panel letters drawn in a figure."""
