"""Handlers: an interpreter over data. What a block does is what any turn does; here is only which block is next."""
