"""Hostile bytes to model values: pure, strict, standard library only. Every refusal is a class of `errors`."""
