"""The demo: real orders, a labelled synthetic clickstream, and the whole pipeline watched from outside."""
