"""Every error raised on purpose, sorted by what the caller does next.

UgcError
├── TransientError                wait, then try the same input again
│   ├── LogUnavailableError
│   │   ├── LogBusyError
│   │   └── LogHeldUpError
│   ├── WarehouseUnavailableError
│   │   └── WarehouseUnreachableError
│   └── PartitionLostError
├── RejectedError                 set this one input aside and go on
│   ├── MalformedLineError
│   ├── RecordTooLargeError
│   ├── ReportRefusedError
│   │   ├── MalformedReportError
│   │   └── ForeignReportError
│   └── RowsRefusedError
└── FatalError                    stop: a person has to change something
    ├── ConfigError
    ├── InUseError
    ├── LogDamagedError
    ├── OffsetOutOfRangeError
    ├── PoisonedLogError
    ├── WarehouseRefusesAllError
    ├── SchemaMismatchError
    └── QueryRefusedError
"""


class UgcError(Exception):
    """Root of the tree; only a program's `main` catches it."""


class TransientError(UgcError):
    """The input is fine, the world is not: the same call may work later."""


class LogUnavailableError(TransientError):
    """The log did not acknowledge in time; what was sent may or may not be kept."""


class LogBusyError(LogUnavailableError):
    """Too much is already on its way to the log; nothing of this call was sent."""


class LogHeldUpError(LogUnavailableError):
    """A record cannot be read before somebody else has ended what they began."""


class WarehouseUnavailableError(TransientError):
    """The warehouse is down, overloaded, read-only or did not answer in time."""


class WarehouseUnreachableError(WarehouseUnavailableError):
    """A node did not answer at all, or not in time; another node may."""


class PartitionLostError(TransientError):
    """The partition belongs to another member of the group now; drop its work here."""


class RejectedError(UgcError):
    """This one input can never be kept; its neighbours can."""


class MalformedLineError(RejectedError):
    """The bytes of a log line are not an event of a known schema version.

    Attributes:
        reason: What the decoder found wrong, for the dead letter.
    """

    def __init__(self, reason: str) -> None:
        """Keep the decoder's own words."""
        super().__init__(f"not an event: {reason}")
        self.reason = reason


class RecordTooLargeError(RejectedError):
    """The log takes no record of this size."""


class ReportRefusedError(RejectedError):
    """A player's report breaks one of the event's bounds.

    Attributes:
        field: Path of the offending field, such as `progress`; `` for the whole.
        reason: What is wrong and what would be right, in one sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        """Say which field and why."""
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class MalformedReportError(ReportRefusedError):
    """The report cannot be read as JSON at all."""


class ForeignReportError(ReportRefusedError):
    """The report speaks for somebody other than the token's owner."""


class RowsRefusedError(RejectedError):
    """The warehouse understood these rows and will never take them."""


class FatalError(UgcError):
    """No retry helps."""


class ConfigError(FatalError):
    """A setting is missing, misspelt or contradicts another one."""


class InUseError(FatalError):
    """A directory, file or port belongs to another running process."""


class LogDamagedError(FatalError):
    """The log's file is corrupt or its disk refused to sync; nothing more is accepted."""


class OffsetOutOfRangeError(FatalError):
    """The position to read from no longer exists; going on would skip records silently."""


class PoisonedLogError(FatalError):
    """Too many records in a row cannot be stored: something is wrong upstream."""


class WarehouseRefusesAllError(FatalError):
    """Too many reports in a row were refused: something is wrong with the tables."""


class SchemaMismatchError(FatalError):
    """The warehouse's tables are not the ones this version writes."""


class QueryRefusedError(FatalError):
    """The warehouse refused a statement: bad SQL, missing rights or an unknown name."""
