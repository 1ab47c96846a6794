"""Numbers that judge a score: areas, rates, thresholds and their intervals."""
