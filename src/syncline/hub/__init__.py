"""The hub: a space brought to life. Builds the engine from a configuration and serves what verbs and programs ask of it."""
