"""What every room stands on: text, files and flags."""
