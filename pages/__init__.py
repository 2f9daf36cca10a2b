"""What both sides' pages share: look, languages, forms, charts. Not a word of claims."""
