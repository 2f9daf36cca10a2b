"""Other proof systems beside ours: ``python -m bench.peers``.

All prove one statement (`bench.peers.statement`), each with the technique and the native
commitments that a practised user of it would take. A folder here with a ``peer.toml`` is one peer:
a program that speaks the protocol of `bench.peers.running`. Nothing that ships imports this.
"""
