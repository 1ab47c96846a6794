"""Foreign files to canonical volumes, masks and clinical rows."""
