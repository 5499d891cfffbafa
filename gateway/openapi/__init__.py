"""The OpenAPI document: what routes answer, made from the engine's records and the code's own comments."""
