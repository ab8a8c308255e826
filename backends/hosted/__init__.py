"""The common parts of backends behind an HTTP API: connections, limits, retries, errors, JSON on the wire."""
