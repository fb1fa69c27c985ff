"""The peer of the benches: Python onnxruntime on the same file and inputs, timed.

    pip install numpy onnxruntime
    python peer.py MODEL.onnx --threads 1 --runs 50 --input images=in.npy --output DIR

Prints one line of JSON: milliseconds to load, first run, median and p95 of the others; bytes of peak memory.
An input that is not given is zeros of its declared shape, 1 for every open axis. Not called `onnxruntime.py`:
Python looks beside a script first, and it would import itself.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime

ELEMENTS = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def peak_memory():
    """Of this process so far, as proc(5) has it; None elsewhere."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024
    except (OSError, StopIteration):
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="no run begins after so long")
    parser.add_argument("--provider", default="CPUExecutionProvider")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=FILE.npy")
    parser.add_argument("--output", type=Path, help="folder for NAME.npy of every output")
    told = parser.parse_args()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = told.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    before = peak_memory()
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(told.model, options, providers=[told.provider])
    loaded = time.perf_counter()
    if told.provider not in session.get_providers():
        raise SystemExit(f"{told.provider} did not take the model: {session.get_providers()}")

    given = dict(one.split("=", 1) for one in told.input)
    feeds = {}
    for port in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in port.shape]
        path = given.pop(port.name, None)
        feeds[port.name] = np.load(path) if path else np.zeros(shape, ELEMENTS[port.type])
    if given:
        raise SystemExit(f"the model has no input {', '.join(given)}")

    run = lambda: session.run(None, feeds)
    first = time.perf_counter()
    found = run()
    first = time.perf_counter() - first
    for _ in range(told.warm_up):
        run()
    times, end = [], time.perf_counter() + told.seconds
    while len(times) < told.runs and (time.perf_counter() < end or not times):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1000.0)
    if told.output:
        told.output.mkdir(parents=True, exist_ok=True)
        for port, array in zip(session.get_outputs(), found):
            np.save(told.output / f"{port.name.replace('/', '_')}.npy", array)
    print(json.dumps({
        "onnxruntime": onnxruntime.__version__, "provider": told.provider, "threads": told.threads,
        "runs": len(times), "load_ms": round((loaded - started) * 1000.0, 3), "first_ms": round(first * 1000.0, 3),
        "median_ms": round(float(np.median(times)), 4), "p95_ms": round(float(np.percentile(times, 95)), 4),
        "memory_bytes": (peak_memory() or 0) - (before or 0) or None,
    }))


if __name__ == "__main__":
    main()
