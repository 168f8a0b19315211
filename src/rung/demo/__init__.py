"""`make demo`: the housing service from an empty folder through its whole life, on real sales, told as a story."""
