"""Geometry and findings of the charts; the templates only paint them.

Positions across are in percent of the plot's width, so that a chart fills whatever width the page
has without its text growing or shrinking with it; positions down are in pixels.
"""
