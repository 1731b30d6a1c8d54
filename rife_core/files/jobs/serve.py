"""A worker process of `LocalWorkers`."""

import sys

from .workers import serve

if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
