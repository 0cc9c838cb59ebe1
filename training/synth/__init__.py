"""Synthetic compound figures with ground truth, for training panel detectors."""
