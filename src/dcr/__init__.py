"""Make CLIP-like vision encoders see better with Diffusion Contrastive Reconstruction."""

__version__ = "0.1.0"
