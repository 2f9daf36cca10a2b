"""This project as one of the peers."""
