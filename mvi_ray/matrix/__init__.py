"""From the store to patients × columns, by SQL."""
