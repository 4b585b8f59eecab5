"""The data packets that follow a query."""

from chdb_server.blocks import pass_block, pass_block_info
from chdb_server.compression import FrameSource
from chdb_server.errors import CancelledByClientError, ProtocolError, UnmeasurableTypeError
from chdb_server.packets import ClientPacket
from chdb_server.wire import Reader, Sink


class Incoming:
    """Reads the blocks of one query.

    Attributes:
        frames: Where the blocks come from when the client packs them.
    """

    def __init__(self, wire: Reader, *, packed: bool) -> None:
        """Read from there; the packets' heads are never packed."""
        self._wire = wire
        self.frames = FrameSource(wire) if packed else None
        self._blocks = Reader(self.frames.read) if self.frames else wire

    async def rows(self, sink: Sink | None = None) -> int:
        """Hand blocks to `sink` up to the empty one that ends them; return their rows.

        Raises:
            CancelledByClientError: A Cancel came instead; nothing more will come.
            ProtocolError: Something else came, or a block without an end.
        """
        total = 0
        while True:
            await self._pass_head()
            await pass_block_info(self._blocks)
            try:
                shape = await pass_block(self._blocks, sink)
            except UnmeasurableTypeError as error:
                raise ProtocolError(str(error), code=error.code) from error
            if not shape.columns:
                return total
            total += shape.rows

    async def _pass_head(self) -> None:
        kind = await self._wire.varint()
        if kind == ClientPacket.CANCEL:
            raise CancelledByClientError
        if kind != ClientPacket.DATA:
            msg = f"packet {kind} where a block was expected"
            raise ProtocolError(msg)
        await self._wire.string()  # an external table's name
