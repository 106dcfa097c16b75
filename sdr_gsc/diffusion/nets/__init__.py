"""Neural networks shared by the codec's decoder and the diffusion models."""
