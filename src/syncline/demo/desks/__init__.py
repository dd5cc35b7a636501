"""Where the people of an office write: a session of its database as any program would have it, whatever kind it is."""
