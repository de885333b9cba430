#!/usr/bin/env python
"""Loads a checkpoint with upstream's pipeline and saves it again: save_again.py build/reference/a tests/data/saved_again

Only the json files are kept: the weights are the same.
"""
import os
import shutil
import sys
import tempfile

import torch
from diffusers.pipelines.glm_image import GlmImagePipeline


def main():
    source, target = map(os.path.abspath, sys.argv[1:])
    os.chdir(os.path.dirname(source))      # the saved files have the name that it was loaded by
    pipeline = GlmImagePipeline.from_pretrained(os.path.basename(source), torch_dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        for at, _, names in os.walk(folder):
            for name in names:
                to = os.path.join(target, os.path.relpath(at, folder), name)
                if name.endswith(".json"):
                    os.makedirs(os.path.dirname(to), exist_ok=True)
                    shutil.move(os.path.join(at, name), to)


if __name__ == "__main__":
    main()
