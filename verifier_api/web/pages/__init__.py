"""The insurer's pages: what arrived, what became of it and why, and what nobody can know of it.

Server-rendered, over the same service as the interface; a token opens a session. Nothing here
decides but the one form of an administrator, which does what the interface's decision does.
"""
