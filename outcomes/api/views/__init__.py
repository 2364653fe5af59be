"""What each address does: fetch what is visible, check the edge, one call, reply."""
