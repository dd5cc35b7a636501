"""Running worlds: one seed, one seed twice, a crash at every effect, many seeds on several processes."""

import gc
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Final

from syncline.sim.check.verdict import Violation
from syncline.sim.effects import Plan
from syncline.sim.machine import LogFactory
from syncline.sim.options import Options, draw
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.subject import Subject
from syncline.sim.world import Result, World

SEEDS_PER_PROCESS: Final = 100  # then a fresh process takes over, so that memory stays flat


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Keep the process's own chance and garbage out of a run: both would make two runs of a seed differ."""
    state = random.getstate()
    random.seed(seed)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        random.setstate(state)


def run(
    options: Options,
    subject: Subject,
    make_log: LogFactory,
    plan: Plan | None = None,
    echo: Callable[[str], None] | None = None,
) -> Result:
    """One run."""
    with _alone(options.seed):
        return World(options, subject, make_log, plan, echo).run()


def run_twice(options: Options, subject: Subject, make_log: LogFactory) -> Result:
    """The same run twice; a violation if they were not the same."""
    first, second = run(options, subject, make_log), run(options, subject, make_log)
    if first.digest != second.digest:
        text = f"seed {options.seed} ran in two ways: {first.digest} and {second.digest}"
        first.violations.append(Violation("sim", text))
    return first


def sweep(options: Options, subject: Subject, make_log: LogFactory, step: int = 1) -> Iterator[tuple[int, Result]]:
    """A run that crashes at effect 1, one that crashes at effect 1 + step, and so on to the last effect of a run without."""
    whole = run(options, subject, make_log)
    yield 0, whole
    for effect in range(1, whole.effects + 1, step):
        yield effect, run(options, subject, make_log, Plan(effect))


def campaign(seeds: Iterable[int], jobs: int = 1, *, twice: bool = False) -> Iterator[Result]:
    """The product on many seeds, in order of the seeds."""
    tasks = [(seed, twice) for seed in seeds]
    if jobs <= 1:
        yield from map(_one, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=SEEDS_PER_PROCESS) as pool:
        yield from pool.map(_one, tasks, chunksize=4)


def _one(task: tuple[int, bool]) -> Result:
    seed, twice = task
    subject = Product()
    options = draw(seed, subject.abilities)
    return run_twice(options, subject, open_simulated_log) if twice else run(options, subject, open_simulated_log)
