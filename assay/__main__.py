"""`python -m assay`: the same as `assay`."""

from assay.cli import run

if __name__ == "__main__":
    run()
