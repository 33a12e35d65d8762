"""The vocabulary: answers, events, actions, and a run's state with its transitions."""
