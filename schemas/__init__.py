"""The contract: types of every message and object that crosses a process boundary. Pure; imports nothing of ours."""
