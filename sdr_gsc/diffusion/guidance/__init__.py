"""Posterior solvers: each turns (prior denoiser, likelihood) into steps towards p(picture | received symbols)."""
