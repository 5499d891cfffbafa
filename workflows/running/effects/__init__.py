"""Effects, carried out on Temporal: one function each, without a decision."""
