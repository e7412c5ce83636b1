"""What is done to a pretrained model before it trains, and how far that can be taken.

A method turns a plan into a plan (`plan.CompressionPlan`), is found by name (`registry`), searches
with one engine (`search`), and its plan is trained by the trainer that the baseline uses (`run`).
Knows nothing of pytest or of metering.
"""
