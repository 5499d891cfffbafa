"""The pure core: the state of a session, its fold, and what comes next. No clock, no network, no Temporal."""
