"""Makes the model and the sample clips, one step at a time:

    python make.py render      pictures to learn from, and held-out ones
    python make.py train       a checkpoint
    python make.py export      ../model.onnx, and its hash in ../model.toml
    python make.py evaluate    the numbers of the model card
    python make.py clip        ../../../tests/clips/entrance.* and plain.*

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
MODEL = HERE.parent / "model.onnx"
CLIPS = HERE.parents[2] / "tests" / "clips"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["render", "train", "export", "evaluate", "clip"])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "transom-person", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=MODEL, help="export, evaluate: the model's file, beside a model.toml")
    parser.add_argument("--worlds", type=int, default=420, help="worlds to learn from, 18 pictures each")
    parser.add_argument("--minutes", type=float, default=25.0, help="how long to train, %(default)s by default; the learning rate follows")
    parser.add_argument("--again", action="store_true", help="train on from the checkpoint")
    parser.add_argument("--transom", type=Path, help="evaluate: the built program, to count with it as well")
    parser.add_argument("--only", choices=["entrance", "plain"], help="one clip of the two")
    args = parser.parse_args()
    began = time.monotonic()
    # Idle worker threads spin by default, which ruins training on a machine that others use too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Imported here, so that a step needs only its own libraries.
    if args.step == "render":
        import dataset
        dataset.render(args.work, "held-out", dataset.HELD_OUT, 20)
        dataset.render(args.work, "train", 0, args.worlds)
    elif args.step == "train":
        import train
        train.train(args.work, args.minutes, args.again)
    elif args.step == "export":
        import export
        export.export(args.work, args.model)
    elif args.step == "evaluate":
        import evaluate
        evaluate.evaluate(args.work, args.model, args.transom)
    else:
        import clip
        if args.only != "plain":
            clip.write_entrance(CLIPS)
        if args.only != "entrance":
            clip.write_plain(CLIPS)
    print(f"{args.step}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
