"""The processes under test, and the bench's connections to them."""
