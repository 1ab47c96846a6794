"""The search for what is left of a patient: it decodes what it reads, and proves first that it finds."""
