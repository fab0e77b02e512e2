"""A bar on the terminal; nothing where there is none."""

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm


@contextlib.contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what is to be told bytes read and bytes in all."""
    with tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def update(done: int, size: int) -> None:
            bar.total = size
            bar.update(done - bar.n)

        yield update
