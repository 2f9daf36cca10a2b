"""What Prometheus is told. Labels are routes, codes and reasons: never an id or a value."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.verdicts = Counter(
            "clairobscur_verdicts",
            "Claims judged and recorded, and claims only verified (kind stateless).",
            ("kind", "verdict", "reason"),
            registry=self.registry,
        )
        self.requests = Histogram(
            "clairobscur_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_sizes = Histogram(
            "clairobscur_batch_size",
            "Claims whose proofs were verified together.",
            buckets=SIZES,
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "clairobscur_batch_seconds",
            "Time of such a batch in a worker.",
            buckets=SECONDS,
            registry=self.registry,
        )

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"clairobscur_{name}", what, registry=self.registry).set_function(read)

    def observe_batch(self, size: int, seconds: float) -> None:
        """One micro-batch."""
        self.batch_sizes.observe(size)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """The exposition, in Prometheus's text format."""
        return generate_latest(self.registry)
