"""A small world, and small models of it, that let everything run without a download."""
