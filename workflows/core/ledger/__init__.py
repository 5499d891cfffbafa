"""A purse of a user or a tenant as pure functions: what was spent, who holds leases, and who waits for one."""
