"""The import of CNAM's table of codes: an archive of dBase files becomes a nomenclature."""
