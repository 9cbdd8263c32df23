"""The comparison of all runs: read what evaluation wrote, aggregate over seeds, draw, write one page.

``read`` is the only module that reads, ``compare`` the only one that writes; all others are pure.
"""
