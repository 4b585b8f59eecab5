"""The next batch's range, kept as metadata of the commit before it.

After a crash the next owner of the partition repeats exactly that range, and so the same
deduplication token: the warehouse then hides the repeat, whether or not it has the rows.
"""

import re

from ugc_core.log import Commit
from ugc_etl.ports import Range

_INTENT = re.compile(r"^intent=(\d{1,19})-(\d{1,19})$")


def with_intent(offset: int, following: Range | None) -> Commit:
    """Return the commit of `offset` that announces the batch `following`."""
    note = f"intent={following.first}-{following.last}" if following else ""
    return Commit(offset=offset, metadata=note)


def intent_of(commit: Commit) -> Range | None:
    """Return the range that a commit announces.

    Metadata that is not ours announces nothing: tokens only save work, the rows' identity
    is what keeps them single.
    """
    found = _INTENT.match(commit.metadata)
    if found is None:
        return None
    announced = Range(first=int(found[1]), last=int(found[2]))
    return announced if commit.offset <= announced.first <= announced.last else None
