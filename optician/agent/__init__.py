"""The optician's agent: claims that are made, kept in the vault, and sent when the line is up."""
