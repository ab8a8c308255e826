"""What the backends behind an HTTP API share: connections, limits, retries, errors, JSON on the wire."""
