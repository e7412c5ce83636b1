"""The data model of a run and its files: JSON, schema, journal, storage, merge, compare."""
