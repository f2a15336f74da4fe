"""Mixtures of a few simple distributions, fitted by expectation maximisation."""
