"""Sessions as the gateway reaches them through Temporal."""
