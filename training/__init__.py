"""Training: how shipped weights are made and scored. Nothing outside imports this package."""
