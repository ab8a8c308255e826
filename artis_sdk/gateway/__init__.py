"""The gateway: an MCP server in front of others, whose clients rehearse before they change something."""

try:
    import mcp.server.lowlevel  # noqa: F401
except ModuleNotFoundError as error:
    from artis_sdk.errors import MissingExtraError

    raise MissingExtraError("the gateway", "mcp") from error

from artis_sdk.gateway.config import GatewayConfig, read_config
from artis_sdk.gateway.lifetime import GatewayOptions, OverHTTP, run_gateway

__all__ = ["GatewayConfig", "GatewayOptions", "OverHTTP", "read_config", "run_gateway"]
