"""The demo source: made-up articles, written as JATS and drawn figure by figure from a seed.

``source`` is the stage; ``article`` writes the XML and knows the truth; ``study`` invents what an article
is about; ``figure``, ``layout`` and ``caption`` plan a figure; the other modules draw one family of panels
each, with the pen of ``canvas``.
"""
