"""The test kit and its pytest plugin."""
