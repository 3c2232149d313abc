"""`python -m assay`: the same as `assay`."""

import sys

from assay.cli import main

if __name__ == "__main__":
    sys.exit(main())
