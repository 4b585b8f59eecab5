-- Every accepted report, once. Its identity is (film, user, profile, event_id); of two copies
-- the first accepted one wins, because version falls as received_at rises.
-- The nil UUID in session_id and the empty string in kind, device and extra mean "absent".
CREATE TABLE IF NOT EXISTS ${database}.views_raw${local}${on_cluster}
(
    event_id UUID,
    film_id UUID CODEC(ZSTD(1)),
    user_id UUID CODEC(ZSTD(1)),
    profile_id UUID CODEC(ZSTD(1)),
    session_id UUID CODEC(ZSTD(1)),
    seq Nullable(UInt32) CODEC(T64, LZ4),
    progress_ms UInt32 CODEC(T64, LZ4),
    total_ms UInt32 CODEC(T64, LZ4),
    watched_from_ms Nullable(UInt32) CODEC(T64, LZ4),
    event_time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    viewed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    clock_offset_ms Int64 CODEC(ZSTD(1)),
    kind LowCardinality(String),
    device LowCardinality(String),
    extra String CODEC(ZSTD(3)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
    log_partition UInt16 CODEC(ZSTD(1)),
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    log_line UInt32 CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${Replicated}ReplacingMergeTree(${path}version)
PARTITION BY toYYYYMM(event_time)
ORDER BY (film_id, user_id, profile_id, event_id)
${ttl}
SETTINGS ${durability};

-- cluster only
CREATE TABLE IF NOT EXISTS ${database}.views_raw${on_cluster} AS ${database}.views_raw_local
ENGINE = Distributed(${cluster}, ${database}, views_raw_local, kafkaMurmurHash(toString(user_id)));
