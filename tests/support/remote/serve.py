#!/usr/bin/env python3
"""Starts a real model server that speaks the Open Inference Protocol and runs ONNX files by onnxruntime.

    serve.py --server mlserver|kserve|triton --model NAME=FILE.onnx [--model …] [--probe FOLDER]

Ports are chosen by the system. When the server answers, one line goes to standard output:

    ready http=PORT grpc=PORT

It stops when its standard input ends. With --probe, for each model a seeded random input and what
onnxruntime makes of it here are written first: FOLDER/NAME.input.INDEX.bin and FOLDER/NAME.output.INDEX.bin,
values in little-endian order, and FOLDER/NAME.json with names, types and shapes. Open axes are 1.

Needs onnxruntime and numpy, and for each server its own package, which do not share a virtual environment:

    mlserver   pip install mlserver          Seldon's MLServer; HTTP with JSON, gRPC
    kserve     pip install kserve            KServe's own server; HTTP with JSON and bytes, gRPC
    triton     pip install nvidia-pytriton   NVIDIA's Triton itself, its Python back end; HTTP with both, gRPC

Where a package is missing, one line `missing: …` goes to standard output and the exit code is 77.
"""

import argparse
import asyncio
import json
import os
import pathlib
import socket
import sys
import sysconfig
import threading
import time
import urllib.request

try:
    import numpy as np
    import onnxruntime
except ImportError as error:
    print(f"missing: {error.name}", flush=True)
    sys.exit(77)

TYPES = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(double)": ("FP64", np.float64),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(bool)": ("BOOL", np.bool_),
}


class Onnx:
    """A model, and what its file says of inputs and outputs."""

    def __init__(self, name, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.name = name
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [self.tensor(port) for port in self.session.get_inputs()]
        self.outputs = [self.tensor(port) for port in self.session.get_outputs()]

    @staticmethod
    def tensor(port):
        shape = [axis if isinstance(axis, int) else -1 for axis in port.shape]
        return {"name": port.name, "datatype": TYPES[port.type][0], "shape": shape, "numpy": TYPES[port.type][1]}

    def run(self, inputs):
        return self.session.run(None, inputs)

    def probe(self, folder):
        random = np.random.default_rng(4)
        inputs = {}
        for index, port in enumerate(self.inputs):
            shape = [1 if axis == -1 else axis for axis in port["shape"]]
            if np.issubdtype(port["numpy"], np.floating):
                values = random.random(shape)
            else:
                values = random.integers(0, 2, shape)
            inputs[port["name"]] = values.astype(port["numpy"])
            (folder / f"{self.name}.input.{index}.bin").write_bytes(inputs[port["name"]].tobytes())
        outputs = self.run(inputs)
        for index, output in enumerate(outputs):
            (folder / f"{self.name}.output.{index}.bin").write_bytes(output.tobytes())

        def described(ports, arrays):
            return [
                {"name": port["name"], "datatype": port["datatype"], "shape": list(array.shape)}
                for port, array in zip(ports, arrays)
            ]

        about = {
            "inputs": described(self.inputs, inputs.values()),
            "outputs": described(self.outputs, outputs),
        }
        (folder / f"{self.name}.json").write_text(json.dumps(about))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def mlserver(models, http, grpc):
    import mlserver
    from mlserver.codecs import NumpyCodec
    from mlserver.settings import ModelParameters, ModelSettings, Settings
    from mlserver.types import InferenceResponse, MetadataTensor

    class Runtime(mlserver.MLModel):
        async def load(self):
            self.onnx = next(model for model in models if model.name == self.name)
            return True

        async def predict(self, payload):
            inputs = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
            outputs = self.onnx.run(inputs)
            named = [NumpyCodec.encode_output(p["name"], o) for p, o in zip(self.onnx.outputs, outputs)]
            return InferenceResponse(model_name=self.name, outputs=named)

    # MLServer finds a runtime by the name of its module and class.
    Runtime.__qualname__ = "Runtime"
    globals()["Runtime"] = Runtime

    def metadata(ports):
        return [MetadataTensor(name=p["name"], datatype=p["datatype"], shape=p["shape"]) for p in ports]

    settings = Settings(
        host="127.0.0.1",
        http_port=http,
        grpc_port=grpc,
        metrics_endpoint=None,
        parallel_workers=0,
        grpc_max_message_length=256 << 20,
    )
    described = [
        ModelSettings(
            name=model.name,
            implementation=Runtime,
            inputs=metadata(model.inputs),
            outputs=metadata(model.outputs),
            parameters=ModelParameters(version="1"),
        )
        for model in models
    ]

    async def serve():
        await mlserver.MLServer(settings).start(described)

    asyncio.run(serve())


def kserve(models, http, grpc):
    import kserve
    from kserve import InferOutput, InferResponse

    class Served(kserve.Model):
        def __init__(self, onnx):
            super().__init__(onnx.name)
            self.onnx = onnx
            self.ready = True

        def load(self):
            return True

        async def get_input_types(self):
            return [{key: port[key] for key in ("name", "datatype", "shape")} for port in self.onnx.inputs]

        async def get_output_types(self):
            return [{key: port[key] for key in ("name", "datatype", "shape")} for port in self.onnx.outputs]

        def predict(self, payload, headers=None, response_headers=None):
            inputs = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
            binary = payload.use_binary_outputs or any(
                (output.parameters or {}).get("binary_data") for output in payload.request_outputs or []
            )
            outputs = []
            for port, values in zip(self.onnx.outputs, self.onnx.run(inputs)):
                output = InferOutput(name=port["name"], shape=list(values.shape), datatype=port["datatype"])
                output.set_data_from_numpy(values, binary_data=binary or payload.from_grpc)
                outputs.append(output)
            return InferResponse(payload.id, self.name, outputs)

    server = kserve.ModelServer(http_port=http, grpc_port=grpc, enable_grpc=True, workers=1)
    server.start([Served(model) for model in models])


def triton(models, http, grpc):
    # Triton's helper is linked to Python's library; without this it may find another, older one.
    libraries = [sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH")]
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))

    from pytriton.model_config import ModelConfig, Tensor
    from pytriton.triton import Triton, TritonConfig

    def tensors(ports):
        return [Tensor(name=p["name"], dtype=p["numpy"], shape=tuple(p["shape"])) for p in ports]

    def function(onnx):
        def run(requests):
            answers = []
            for request in requests:
                outputs = onnx.run({port["name"]: request[port["name"]] for port in onnx.inputs})
                answers.append({port["name"]: output for port, output in zip(onnx.outputs, outputs)})
            return answers

        return run

    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        allow_metrics=False,
        exit_on_error=True,
    )
    server = Triton(config=config)
    for model in models:
        server.bind(
            model_name=model.name,
            infer_func=function(model),
            inputs=tensors(model.inputs),
            outputs=tensors(model.outputs),
            config=ModelConfig(batching=False),
        )
    server.serve()


def announce(http, grpc, models):
    """Says so when the server and all models answer."""
    paths = ["/v2/health/ready"] + [f"/v2/models/{model.name}/ready" for model in models]
    for path in paths:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                pass
            time.sleep(0.1)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", grpc)) == 0:
                break
        time.sleep(0.1)
    os.write(ANNOUNCED, f"ready http={http} grpc={grpc}\n".encode())


def stop_with_input():
    while os.read(0, 4096):
        pass
    import signal

    # Servers with children of their own clean up on this one.
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
    os._exit(0)


ANNOUNCED = os.dup(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, choices=["mlserver", "kserve", "triton"])
    parser.add_argument("--model", required=True, action="append", metavar="NAME=FILE.onnx")
    parser.add_argument("--probe", type=pathlib.Path, metavar="FOLDER")
    given = parser.parse_args()
    package = {"mlserver": "mlserver", "kserve": "kserve", "triton": "pytriton"}[given.server]
    try:
        __import__(package)
    except ImportError as error:
        print(f"missing: {package} ({error})", flush=True)
        sys.exit(77)
    # Servers write to standard output, too; only one line of ours belongs there.
    os.dup2(2, 1)
    models = [Onnx(*named.split("=", 1)) for named in given.model]
    if given.probe:
        for model in models:
            model.probe(given.probe)
    http, grpc = free_port(), free_port()
    threading.Thread(target=announce, args=(http, grpc, models), daemon=True).start()
    threading.Thread(target=stop_with_input, daemon=True).start()
    {"mlserver": mlserver, "kserve": kserve, "triton": triton}[given.server](models, http, grpc)


if __name__ == "__main__":
    main()
