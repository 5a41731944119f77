"""`sign-setup`: the developer's own keys found, git set up with one of them, the setup proved, and undone."""
