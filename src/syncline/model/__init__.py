"""Floor 0, words: the nouns every other floor speaks. No I/O, no verbs."""
