"""Benchmarks: the ways of measuring an encoder."""
