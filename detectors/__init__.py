"""Detectors: cutting figures into panels."""
