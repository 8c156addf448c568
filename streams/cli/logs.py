"""Logs: what the parts beside the workers say on standard error."""

import logging

__all__ = ["set_up_logging"]


def set_up_logging(level: str) -> None:
    """Say what the level lets through, of ours; Faust and the Kafka client only what is wrong."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("streams").setLevel(level.upper())
    quiet = logging.DEBUG if level == "debug" else logging.ERROR
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(quiet)
