"""The commands that train and score: click commands that the ``pmcx`` command names by string."""
