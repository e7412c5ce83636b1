"""Groups as tasks on a Ray cluster (`--energy-ray`)."""
