"""How the lab's models are made from nothing: tokenizer, CLIP, SigLIP and a small Stable Diffusion."""
