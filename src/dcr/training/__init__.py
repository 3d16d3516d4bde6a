"""Training: the modules of a stage, the streamed backward pass, the loop and its checkpoints."""
