"""Evidence of an audit: what a third party needs to judge it alone, and the judgement."""
