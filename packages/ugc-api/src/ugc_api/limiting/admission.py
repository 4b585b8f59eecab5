"""How much may be under way at once: requests, and the bytes of their bodies."""


class Admission:
    """Lets so many requests in, and no more: who waits in a queue holds memory and is late."""

    def __init__(self, most: int) -> None:
        """Let at most so many in at once."""
        self.most = most
        self.inside = 0

    def enter(self) -> bool:
        """Say whether one more may come in; who may has to `leave`."""
        if self.full:
            return False
        self.inside += 1
        return True

    @property
    def full(self) -> bool:
        """Whether the next one is refused."""
        return self.inside >= self.most

    def leave(self) -> None:
        """Make room."""
        self.inside -= 1


class BodyBytes:
    """Bounds the bytes of all bodies that are held, whatever the number of connections."""

    def __init__(self, most: int) -> None:
        """Hold at most so many."""
        self.most = most
        self.held = 0

    def hold(self, size: int) -> bool:
        """Say whether so many more may be held; who may has to `release` them."""
        held = self.held + size
        if held > self.most:
            return False
        self.held = held
        return True

    def release(self, size: int) -> None:
        """Make room."""
        self.held -= size
