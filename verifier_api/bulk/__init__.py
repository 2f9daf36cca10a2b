"""Bulk verification: a year of claims, judged again by all cores or by a cluster.

    inputs      where the claims come from: Parquet, lines, a folder; streamed, cut into chunks
    chunks      what a worker does: a chunk of claims in, rows of verdicts out, and nothing else
    workers     worker processes of this machine
    cluster     or the workers of a Dask scheduler
    parts       one file of verdicts a chunk, written whole or not at all
    manifest    what a run is bound to, so that it can be resumed and not be mixed up
    duplicates  claims that come twice in the whole run, found on disk
    runs        all of it together

A run that was killed goes on where it stopped. Its files are the same bytes as those of a run that
was never interrupted, whoever the workers are. Memory does not grow with the number of claims.
"""
