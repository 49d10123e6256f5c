"""Normalisation, shingling and MinHash kernels."""
