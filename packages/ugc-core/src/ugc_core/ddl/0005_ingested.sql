-- The pipeline's own ledger: one row a batch, after its data and before its commit. Ranges of
-- offsets tile up to the committed offset, and
-- lines = stored + dead + erased for each of them.
CREATE TABLE IF NOT EXISTS ${database}.ingested${local}${on_cluster}
(
    topic LowCardinality(String),
    partition UInt16,
    first_offset UInt64,
    last_offset UInt64,
    records UInt32,
    lines UInt32,
    stored UInt32,
    dead UInt32,
    erased UInt32,
    content_hash String,
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${Replicated}ReplacingMergeTree(${path}ingested_at)
ORDER BY (topic, partition, first_offset, last_offset)
SETTINGS ${durability};

-- cluster only
CREATE TABLE IF NOT EXISTS ${database}.ingested${on_cluster} AS ${database}.ingested_local
ENGINE = Distributed(${cluster}, ${database}, ingested_local, partition);
