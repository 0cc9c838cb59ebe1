"""Classifiers: what a panel shows."""
