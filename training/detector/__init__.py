"""Training of the ``detr`` detector's own weights on synthetic figures, and their export."""
