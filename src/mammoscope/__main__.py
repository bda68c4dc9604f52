"""`python -m mammoscope`, which `torchrun` needs."""

from mammoscope.cli import main

if __name__ == "__main__":
    main()
