"""Images: where they come from, how they are decoded and viewed, and in which order they are seen."""
