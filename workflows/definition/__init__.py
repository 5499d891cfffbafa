"""What an agent definition says: models, tools, limits, schedules, prices."""
