"""The shop's knowledge: CPU an order and a view, a boundary's cost, and memory, with as many products as are asked for.

    python -m benchmarks.shop_knowledge --products 1000000

Orders and views are drawn by a seed, products by Zipf's law; every product is seen at least once.
"""

import argparse
import resource
import time

import numpy as np

from scoring.shop.observations import Bought, Line, Observation, Offered
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop
from scoring.shop.snapshot import ShopSnapshot, parts_of

HOUR_MS = 3_600_000
LINES = 4


def events(products: int, orders: int, hours: int, seed: int) -> list[tuple[int, Observation]]:
    """Each product is seen once; orders of four lines by Zipf's law; all in the order of event time."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, Observation]] = []
    for i, time_ms in enumerate(np.sort(rng.integers(0, hours * HOUR_MS, products)).tolist()):
        found.append((time_ms, Offered(time_ms, f"v{i}", (Line(f"product-{i:07d}", 1.0 + i % 90, f"c{i % 50}"),))))
    rank = (rng.zipf(1.2, (orders, LINES)) - 1) % products
    times = np.sort(rng.integers(0, hours * HOUR_MS, orders)).tolist()
    customers = rng.integers(0, 2**64, max(orders // 5, 1), np.uint64)
    for i, time_ms in enumerate(times):
        lines = tuple(Line(f"product-{number:07d}", 1.0 + number % 90) for number in rank[i].tolist())
        found.append((time_ms, Bought(time_ms, f"o{i}", f"o{i}", int(customers[i % len(customers)]), lines)))
    return sorted(found, key=lambda event: event[0])


def megabytes() -> float:
    """Most memory that this process took so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print one table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--products", type=int, default=100_000)
    options.add_argument("--orders", type=int, default=200_000)
    options.add_argument("--hours", type=int, default=48)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    stream = events(given.products, given.orders, given.hours, given.seed)
    before = megabytes()
    shop = Shop(ShopSettings(products=max(given.products, 10), open_products=given.products), ["p"])
    taking = closing = packing = 0.0
    boundaries, newest = 0, None
    for start in range(0, len(stream), 4_000):
        began = time.process_time()
        piece = stream[start : start + 4_000]
        shop.take("p", start + len(piece), piece)
        taken = time.process_time()
        taking += taken - began
        for version in shop.complete():
            closing += time.process_time() - taken
            began = time.process_time()
            newest = ShopSnapshot(version.version, version.effective_ms, parts_of(version.figures))
            taken = time.process_time()
            packing += taken - began
            boundaries += 1
        closing += time.process_time() - taken
    assert newest is not None
    began = time.process_time()
    state = shop.to_bytes()
    copying = time.process_time() - began
    for _ in range(2_000):
        newest.companions("product-0000001", 10)
        newest.price("product-0000002")
    reading = time.process_time() - began - copying
    print(f"products known                    {len(newest):>12,}")
    print(f"pairs held, both directions       {len(shop.knowledge.companions.code):>12,}")
    print(f"taking an event, CPU              {taking / len(stream) * 1e6:>12.1f} µs")
    print(f"closing, of each order, CPU       {closing / given.orders * 1e6:>12.1f} µs")
    print(f"closing a boundary, CPU           {closing / boundaries * 1e3:>12.1f} ms")
    print(f"packing and unpacking a snapshot  {packing / boundaries * 1e3:>12.1f} ms")
    print(f"a copy of the state               {copying * 1e3:>12.1f} ms, {len(state) / 2**20:,.0f} MB")
    print(f"a look-up                         {reading / 4_000 * 1e6:>12.1f} µs")
    print(f"memory beyond the events          {megabytes() - before:>12.0f} MB")


if __name__ == "__main__":
    main()
