"""The edges: Faust, Kafka, settings, the command line. Everything that touches the world is here."""

__version__ = "0.1.0"
