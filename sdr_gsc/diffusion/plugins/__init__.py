"""Models of others as priors: each reader turns a file or folder into a denoiser of this package."""
