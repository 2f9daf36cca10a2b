"""What the insurer records: tables, transactions, migrations. No HTTP, no cryptography."""
