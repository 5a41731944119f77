"""Values only: what the layers above pass to each other. Standard library only, immutable throughout."""
