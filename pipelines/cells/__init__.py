"""Cells of a sweep: what they are, where they run, what stays of them."""
