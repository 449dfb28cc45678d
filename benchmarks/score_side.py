"""One of two processes that score at once: scores its texts whenever a line comes in, and answers with one.

python -m benchmarks.score_side MODEL.npz KERNEL_FOLDER TEXTS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from worker.core.compiled import unpack
from worker.kernel_cache import KernelCache


def main() -> None:
    """Run until the input ends."""
    model = unpack(Path(sys.argv[1]).read_bytes(), kernel=KernelCache(Path(sys.argv[2])))
    texts = json.loads(Path(sys.argv[3]).read_text())
    for _ in sys.stdin:
        print(len(model.score(texts)), flush=True)


if __name__ == "__main__":
    main()
