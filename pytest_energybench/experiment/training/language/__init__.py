"""Decoder-only transformers and the text they train on: pretrained here, then trained further."""
