"""What the two command lines have in common: how they start, read files and tell errors."""
