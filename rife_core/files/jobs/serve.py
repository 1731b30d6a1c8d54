"""A worker process of `LocalWorkers`."""

import sys

from .local_workers import serve

if __name__ == "__main__":
    opener, folder, device, cores = sys.argv[1:]
    serve(opener, folder, device, int(cores))
