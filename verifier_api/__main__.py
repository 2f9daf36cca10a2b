"""``python -m verifier_api``, the same as the console script."""

from verifier_api.cli import main

if __name__ == "__main__":
    main()
