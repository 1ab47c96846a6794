"""Ray: session, scheduler, workers. The only room that imports it."""
