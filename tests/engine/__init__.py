"""The whole engine by its commands: real daemon, launcher, log writer, namespaces, network."""
