"""Forms of the staff pages, by noun."""
