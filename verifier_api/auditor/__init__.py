"""The auditor's tool: cases in a vault of his own, and what is asked of the insurer's service."""
