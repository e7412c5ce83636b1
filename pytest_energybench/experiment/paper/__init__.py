"""The paper's experiment beside the published one: its tables, its figures, its claims.

"Energy Considerations for Large Pretrained Neural Networks" (Mei & Stamp, June 2025,
arXiv:2506.01311). Everything here is a function of a finished run; nothing is measured or trained.
"""
