"""Makes the models and the sample clips, one step at a time:

    python make.py render      pictures to learn from, and held-out ones
    python make.py train       a checkpoint
    python make.py export      ../model.onnx, and its hash in ../model.toml
    python make.py evaluate    the numbers of the model card
    python make.py clip        ../../../tests/clips/*

With --what reid the first four make ../../person-reid, the embedding, instead of the detector.

Rendering follows from seeds; how many steps training takes in its minutes depends on the machine.
Working files go to the folder named by --work.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = {"person": HERE.parent / "model.onnx", "reid": HERE.parents[1] / "person-reid" / "model.onnx"}
MINUTES = {"person": 60.0, "reid": 13.0}
CLIPS = HERE.parents[2] / "tests" / "clips"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["render", "train", "export", "evaluate", "clip"])
    parser.add_argument("--what", choices=sorted(MODELS), default="person", help="the detector or the embedding; default: %(default)s")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "transom-person", help="default: %(default)s")
    parser.add_argument("--model", type=Path, help="export, evaluate: the model's file, beside a model.toml")
    parser.add_argument("--minutes", type=float, help=f"how long to train, {MINUTES} by default; the learning rate follows")
    parser.add_argument("--again", action="store_true", help="train on from the checkpoint")
    parser.add_argument("--transom", type=Path, help="evaluate: the built program, to count with it as well")
    parser.add_argument("--only", choices=["entrance", "plain", "night", "crowd"], help="one clip")
    args = parser.parse_args()
    began = time.monotonic()
    # Idle worker threads spin by default, which ruins training on a machine that others use too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    model, minutes = args.model or MODELS[args.what], args.minutes or MINUTES[args.what]
    # Imported here, so that a step needs only its own libraries.
    if args.step == "clip":
        import clip
        for name, write in clip.WRITERS.items():
            if args.only in (None, name):
                write(CLIPS)
    elif args.what == "reid":
        import embedder
        import identities
        import matched
        if args.step == "render":
            identities.render(args.work, "held-out")
            identities.render(args.work, "train")
        elif args.step == "train":
            embedder.train(args.work, minutes, args.again)
        elif args.step == "export":
            embedder.export(args.work, model)
        else:
            matched.evaluate(args.work, model)
    elif args.step == "render":
        import dataset
        for kind, worlds in dataset.WORLDS.items():
            dataset.render(args.work, "held-out", kind, dataset.HELD_OUT, dataset.HELD_OUT_WORLDS[kind])
            dataset.render(args.work, "train", kind, 0, worlds)
    elif args.step == "train":
        import train
        train.train(args.work, minutes, args.again)
    elif args.step == "export":
        import export
        export.export(args.work, model)
    else:
        import evaluate
        evaluate.evaluate(args.work, model, args.transom)
    print(f"{args.step}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
