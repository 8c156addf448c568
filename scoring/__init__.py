"""The pure core: arithmetic over events, with time as an argument. It imports no Kafka client, reads no clock, opens no socket."""
