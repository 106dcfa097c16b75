"""Diffusion decoding: schedule, denoiser, sampler and likelihood are separate values that compose."""
