"""A folder of results: claimed, written through one storage, measured."""
