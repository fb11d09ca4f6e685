"""`manage.py model fetch|status|remove`, which is `make model`; and `convert`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kefu.dev import model, model_convert
from kefu.dev.processes import CannotStart


class Command(BaseCommand):
    help = (
        "Fetches, shows or removes the local language model, or converts one for workers to run themselves."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb in model.VERBS:
            model.add_options(verbs.add_parser(verb))
        converting = verbs.add_parser(
            "convert", help="make a folder for onnxruntime-genai out of a GGUF file or a folder of weights"
        )
        converting.add_argument(
            "source", type=Path, help="a .gguf file, or a folder with safetensors and a tokenizer"
        )
        converting.add_argument(
            "target", type=Path, help="the folder to make: KEFU_MODELS/NAME, and NAME is what tenants choose"
        )
        converting.add_argument("--python", default=sys.executable, help="of the environment that has torch")
        converting.add_argument("--precision", default="int4", choices=("int4", "int8", "fp16", "fp32"))
        converting.add_argument("--device", default="cpu", choices=("cpu", "cuda"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] != "convert":
            sys.exit(model.run(options["verb"], options["small"], options["english"], options["source"]))
        source, target, python = (options[name] for name in ("source", "target", "python"))
        try:
            model_convert.convert(
                source, target, python, options["precision"], options["device"], self.stdout.write
            )
        except CannotStart as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(self.style.SUCCESS(f"{options['target']} can be chosen as a provider's model."))
