# SPDX-License-Identifier: Apache-2.0
"""The digits pipeline several times in one program: digits_often.py INPUT OUTPUT MODEL RUNS.

It prints what the fastest of the runs after the first took, and its processor time.
"""

import sys
import time

from digits_beam import main

if __name__ == "__main__":
    source, output, model, runs = sys.argv[1:]
    seconds, processor = [], []
    for _ in range(int(runs)):
        used, began = time.process_time(), time.perf_counter()
        main(source, output, model)
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    print(f"seconds: {min(seconds[1:]):.4f}")
    print(f"processor: {min(processor[1:]):.4f}")
