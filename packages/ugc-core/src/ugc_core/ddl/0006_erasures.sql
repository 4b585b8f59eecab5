-- Whom to forget, and up to which offset of the user's own partition: reports below it are
-- dropped for ever, replays included; so are reports made before requested_at. A row is there
-- before anything is deleted; erased_at is 1970 until everything is.
CREATE TABLE IF NOT EXISTS ${database}.erasures${local}${on_cluster}
(
    user_id UUID,
    partition UInt16,
    offset UInt64,
    requested_at DateTime64(3, 'UTC'),
    erased_at DateTime64(3, 'UTC')
)
ENGINE = ${Replicated}ReplacingMergeTree(${path}erased_at)
ORDER BY (user_id, partition, offset)
SETTINGS ${durability};

-- cluster only
CREATE TABLE IF NOT EXISTS ${database}.erasures${on_cluster} AS ${database}.erasures_local
ENGINE = Distributed(${cluster}, ${database}, erasures_local, kafkaMurmurHash(toString(user_id)));
