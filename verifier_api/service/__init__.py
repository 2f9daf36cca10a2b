"""What the insurer's service does: judge, record, invoice. Knows storage, no HTTP."""
