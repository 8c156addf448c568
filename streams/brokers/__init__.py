"""Brokers that this machine can start by itself: the embedded one, and a local Apache Kafka."""
