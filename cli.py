"""`python cli.py …` is `mvi …`: for `ray job submit` from a checkout."""

from mvi_ray.cli import main

if __name__ == "__main__":
    main()
