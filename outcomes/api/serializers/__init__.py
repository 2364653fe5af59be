"""What goes over the wire: one module per kind of record."""
