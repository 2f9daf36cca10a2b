"""HTTP: routes, problems, limits, logs, metrics. The only rooms that know status codes."""
