"""Views of the staff pages, by noun."""
