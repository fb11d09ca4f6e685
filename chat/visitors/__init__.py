"""One visitor with everything of theirs, for who asks what is kept about them, or wants it gone (PIPL articles 45 and 47)."""
