"""The page and the endpoint of the shop, on 127.0.0.1 alone."""
