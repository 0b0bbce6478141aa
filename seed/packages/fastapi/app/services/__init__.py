"""Rules. Nothing here knows about HTTP."""
