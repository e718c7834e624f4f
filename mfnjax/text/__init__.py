"""Equations as text: a parser with a list of what it knows, and what it makes of them."""
