"""What workers note of their work, each in a file of its own: images that went through a network, and images kept."""

import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path


def take_notes(folder):
    """Note from now on what this process does; and let it be killed in the middle, if a file ``kill`` is there.

    The first process that has computed twelve images dies.
    """
    from featx import EmbeddingCache
    from featx.embedding.openvino_engine import OpenVINOEngine

    folder, counts = Path(folder), Counter()
    run, put = OpenVINOEngine.run, EmbeddingCache.put

    def note(what, count):
        counts[what] += count
        with (folder / f"{os.getpid()}.{what}").open("a") as file:
            file.write("." * count)

    def running(engine, parts):
        for vectors in run(engine, parts):
            note("computed", len(vectors[0]))
            kill = folder / "kill"
            if kill.exists() and counts["computed"] >= 12:
                with suppress(FileNotFoundError):  # another one was first
                    kill.rename(folder / f"{os.getpid()}.killed")
                    os.kill(os.getpid(), signal.SIGKILL)
            yield vectors

    def putting(cache, recipe_id, image_ids, *others, **choices):
        put(cache, recipe_id, image_ids, *others, **choices)
        note("kept", len(image_ids))

    OpenVINOEngine.run, EmbeddingCache.put = running, putting


def noted(asker, call, *given):
    """Do a task as a worker that takes notes does it; to be put in the place of `featx.images.workers._made`."""
    if "FEATX_NOTES" in os.environ:
        take_notes(os.environ.pop("FEATX_NOTES"))
    from featx.images.workers import _end_with

    _end_with(asker)
    return call(*given)


def take_notes_there():
    """Note into the folder that the environment names, for a framework that calls a function by its name."""
    take_notes(os.environ["FEATX_NOTES"])


def read_notes(folder):
    """Give what each process noted, by its number: how many images it computed and kept, and who was killed."""
    notes = {
        what: {path.stem: path.stat().st_size for path in Path(folder).glob(f"*.{what}")}
        for what in ("computed", "kept")
    }
    return notes["computed"], notes["kept"], [path.stem for path in Path(folder).glob("*.killed")]


def check_a_kill(folder, images):
    """Check that one process was killed, and that nothing was computed twice but what it had not kept yet."""
    computed, kept, (killed,) = read_notes(folder)
    lost = computed[killed] - kept.get(killed, 0)
    assert lost > 0
    assert sum(computed.values()) == images + lost
