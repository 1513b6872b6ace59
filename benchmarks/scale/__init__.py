"""How the cost grows: with circuits, with threads, and when everything changes at once."""
