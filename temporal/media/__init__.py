"""What bytes are: their media type from what they hold, and what a model is charged for."""
