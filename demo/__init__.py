"""`make demo`: the whole story in a terminal. Start with `demo/run.py`."""
