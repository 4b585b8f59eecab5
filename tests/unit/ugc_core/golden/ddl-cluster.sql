-- 0000_schema_migrations

CREATE DATABASE IF NOT EXISTS movies ON CLUSTER company_cluster;

CREATE TABLE IF NOT EXISTS movies.schema_migrations_local ON CLUSTER company_cluster
(
    number UInt16,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', applied_at)
ORDER BY number
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400;

CREATE TABLE IF NOT EXISTS movies.schema_migrations ON CLUSTER company_cluster AS movies.schema_migrations_local
ENGINE = Distributed(company_cluster, movies, schema_migrations_local, number);

-- 0001_views_raw

CREATE TABLE IF NOT EXISTS movies.views_raw_local ON CLUSTER company_cluster
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', version)
PARTITION BY toYYYYMM(event_time)
ORDER BY (film_id, user_id, profile_id, event_id)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400;

CREATE TABLE IF NOT EXISTS movies.views_raw ON CLUSTER company_cluster AS movies.views_raw_local
ENGINE = Distributed(company_cluster, movies, views_raw_local, kafkaMurmurHash(toString(user_id)));

-- 0002_views

CREATE VIEW IF NOT EXISTS movies.views ON CLUSTER company_cluster AS
SELECT
    event_id,
    film_id,
    user_id,
    profile_id,
    nullIf(session_id, toUUID('00000000-0000-0000-0000-000000000000')) AS session_id,
    seq,
    progress_ms,
    total_ms,
    watched_from_ms,
    event_time,
    viewed_at,
    clock_offset_ms,
    nullIf(kind, '') AS kind,
    nullIf(device, '') AS device,
    nullIf(extra, '') AS extra,
    received_at,
    stored_at,
    log_partition,
    log_offset,
    log_line
FROM movies.views_raw FINAL;

-- 0003_playback

CREATE TABLE IF NOT EXISTS movies.playback_local ON CLUSTER company_cluster
(
    film_id UUID CODEC(ZSTD(1)),
    day Date,
    user_id UUID CODEC(ZSTD(1)),
    profile_id UUID CODEC(ZSTD(1)),
    session_id UUID CODEC(ZSTD(1)),
    seconds AggregateFunction(groupBitmap, UInt32),
    first_time SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_time SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    total_ms SimpleAggregateFunction(max, UInt32),
    device AggregateFunction(argMax, String, Tuple(DateTime64(3, 'UTC'), UInt32, FixedString(16)))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(day)
ORDER BY (film_id, day, user_id, profile_id, session_id)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400;

CREATE MATERIALIZED VIEW IF NOT EXISTS movies.playback_mv_local ON CLUSTER company_cluster
TO movies.playback_local AS
SELECT
    film_id,
    toDate(event_time) AS day,
    user_id,
    profile_id,
    session_id,
    groupBitmapMergeState(bitmapBuild(range(
        toUInt32(if(watched_from_ms IS NULL, point, intDiv(assumeNotNull(watched_from_ms) + 500, 1000))),
        toUInt32(if(watched_from_ms IS NULL, point + 1, least(intDiv(progress_ms + 500, 1000), length_s)))
    ))) AS seconds,
    min(event_time) AS first_time,
    max(event_time) AS last_time,
    max(total_ms) AS total_ms,
    argMaxState(toString(device), (event_time, ifNull(seq, 0), UUIDToNum(event_id))) AS device
FROM
(
    SELECT
        *,
        greatest(intDiv(total_ms + 500, 1000), 1) AS length_s,
        least(intDiv(progress_ms, 1000), length_s - 1) AS point
    FROM movies.views_raw_local
)
GROUP BY film_id, day, user_id, profile_id, session_id;

CREATE TABLE IF NOT EXISTS movies.playback ON CLUSTER company_cluster AS movies.playback_local
ENGINE = Distributed(company_cluster, movies, playback_local, kafkaMurmurHash(toString(user_id)));

-- 0004_resume_points

CREATE TABLE IF NOT EXISTS movies.resume_points_local ON CLUSTER company_cluster
(
    user_id UUID CODEC(ZSTD(1)),
    profile_id UUID CODEC(ZSTD(1)),
    film_id UUID CODEC(ZSTD(1)),
    point AggregateFunction(argMax, Tuple(progress_ms UInt32, total_ms UInt32, event_time DateTime64(3, 'UTC')),
        Tuple(DateTime64(3, 'UTC'), UInt32, FixedString(16)))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (user_id, profile_id, film_id)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400;

CREATE MATERIALIZED VIEW IF NOT EXISTS movies.resume_points_mv_local ON CLUSTER company_cluster
TO movies.resume_points_local AS
SELECT
    user_id,
    profile_id,
    film_id,
    argMaxState(
        CAST((progress_ms, total_ms, event_time),
            'Tuple(progress_ms UInt32, total_ms UInt32, event_time DateTime64(3, \'UTC\'))'),
        (event_time, ifNull(seq, 0), UUIDToNum(event_id))
    ) AS point
FROM movies.views_raw_local
WHERE (watched_from_ms IS NOT NULL AND progress_ms > watched_from_ms)
    OR (watched_from_ms IS NULL AND kind = '')
GROUP BY user_id, profile_id, film_id;

CREATE TABLE IF NOT EXISTS movies.resume_points ON CLUSTER company_cluster AS movies.resume_points_local
ENGINE = Distributed(company_cluster, movies, resume_points_local, kafkaMurmurHash(toString(user_id)));

-- 0005_ingested

CREATE TABLE IF NOT EXISTS movies.ingested_local ON CLUSTER company_cluster
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', ingested_at)
ORDER BY (topic, partition, first_offset, last_offset)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400;

CREATE TABLE IF NOT EXISTS movies.ingested ON CLUSTER company_cluster AS movies.ingested_local
ENGINE = Distributed(company_cluster, movies, ingested_local, partition);

-- 0006_erasures

CREATE TABLE IF NOT EXISTS movies.erasures_local ON CLUSTER company_cluster
(
    user_id UUID,
    partition UInt16,
    offset UInt64,
    requested_at DateTime64(3, 'UTC'),
    erased_at DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', erased_at)
ORDER BY (user_id, partition, offset)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400;

CREATE TABLE IF NOT EXISTS movies.erasures ON CLUSTER company_cluster AS movies.erasures_local
ENGINE = Distributed(company_cluster, movies, erasures_local, kafkaMurmurHash(toString(user_id)));

