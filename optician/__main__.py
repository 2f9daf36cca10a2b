"""``python -m optician``, the same as the console script."""

from optician.cli import main

if __name__ == "__main__":
    main()
