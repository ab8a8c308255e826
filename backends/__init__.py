"""Model backends, one folder an engine. Importing this loads no engine's SDK."""

from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.registry import resolve
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.contracts import Backend

__all__ = ["Backend", "RetryPolicy", "ScriptedBackend", "resolve"]
