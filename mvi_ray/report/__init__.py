"""Tables, figures and pages; everything is returned, nothing is printed."""
