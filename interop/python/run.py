"""Tries each feature in each way, and prints a line for each: client, feature, pass or fail."""

import concurrent.futures
import logging
import sys
import traceback

from broker import Broker
from client import WAYS
from features import FEATURES


def attempt(broker, way, name, function):
    """The line for one feature, and what went wrong."""
    try:
        function(broker, way)
        return f'{way}\t{name}\tpass', ''
    except BaseException:  # also exceptions outside Exception fail only this test
        return f'{way}\t{name}\tfail', traceback.format_exc()


def main():
    logging.disable()  # stomp.py logs each connection that ends
    failed = False
    with Broker() as broker, concurrent.futures.ThreadPoolExecutor(6) as pool:
        all_of_it = [(way, name, function) for name, function in FEATURES for way in WAYS]
        for line, wrong in pool.map(lambda item: attempt(broker, *item), all_of_it):
            failed = failed or wrong
            print(line, flush=True)
            sys.stderr.write(wrong and f'{line}\n{wrong}\n')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
