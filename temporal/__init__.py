"""The ground: settings, stores, definitions, telemetry. `temporal.app` puts everything together."""
