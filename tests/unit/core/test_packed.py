"""Side records as bytes."""

from concurrent.futures import ThreadPoolExecutor

from scoring.packed import packed, unpacked
from scoring.side import Side


def side_of(number: int) -> Side:
    return Side(absorbed={f"customer-{number}-{i}".encode(): [i, number] for i in range(60)})


def test_threads_pack_and_unpack_beside_each_other() -> None:
    """Replays at a pace do, one thread a partition."""

    def there_and_back(number: int) -> bool:
        stored = packed(side_of(number))
        return all(packed(unpacked(stored)) == stored for _ in range(300))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(16)))
