"""The ceiling: fetch with aiokafka's `getmany` and decode into Structs, nothing else. `python -m benchmarks.ceiling`"""

import argparse
import asyncio
import json
import time

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.events import Event
from streams.settings import Settings

__all__: list[str] = []


async def read(broker: str, parts: dict[TopicPartition, tuple[int, int]]) -> dict[str, float]:
    """Read `[start, end)` of each partition; CPU seconds of all threads from the first fetch to the last record."""
    settings = Settings()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker,
        enable_auto_commit=False,
        max_partition_fetch_bytes=settings.fetch_partition_bytes,
        fetch_max_bytes=settings.fetch_max_bytes,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        consumer.assign(list(parts))
        for part, (start, _) in parts.items():
            consumer.seek(part, start)
        decode = msgspec.json.Decoder(Event).decode
        left = {part for part, (start, end) in parts.items() if end > start}
        events = 0
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        while left:
            for part, records in (await consumer.getmany(*left, timeout_ms=1000)).items():
                for record in records:
                    decode(record.value)
                events += len(records)
                if records[-1].offset + 1 >= parts[part][1]:
                    left.discard(part)
        return {
            "events": events,
            "cpu_s": time.process_time() - cpu_s,
            "wall_s": time.perf_counter() - wall_s,
        }
    finally:
        await consumer.stop()


def main() -> None:
    """Read the parts given as JSON, `[[topic, partition, start, end], …]`, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--parts", required=True)
    options = parser.parse_args()
    parts = {TopicPartition(topic, part): (start, end) for topic, part, start, end in json.loads(options.parts)}
    print(json.dumps(asyncio.run(read(options.broker, parts))), flush=True)


if __name__ == "__main__":
    main()
