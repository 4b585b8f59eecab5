-- The ledger from which every audience number comes: which seconds of a film a viewer played
-- in a session on a day (UTC, of the event's time). It holds idempotent aggregates only, with
-- the user in its key: a repeated report changes nothing, and one user can be taken out.
CREATE TABLE IF NOT EXISTS ${database}.playback${local}${on_cluster}
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
ENGINE = ${Replicated}AggregatingMergeTree${path_only}
PARTITION BY toYYYYMM(day)
ORDER BY (film_id, day, user_id, profile_id, session_id)
SETTINGS ${durability};

-- A stretch covers the whole seconds [round(from), round(to)), halves up, so that neighbouring
-- stretches tile; a point report marks its one second, floor(progress). Nothing lies past the
-- film's last second. range() of an empty stretch is empty and its row keeps the times.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.playback_mv${local}${on_cluster}
TO ${database}.playback${local} AS
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
    FROM ${database}.views_raw${local}
)
GROUP BY film_id, day, user_id, profile_id, session_id;

-- cluster only
CREATE TABLE IF NOT EXISTS ${database}.playback${on_cluster} AS ${database}.playback_local
ENGINE = Distributed(${cluster}, ${database}, playback_local, kafkaMurmurHash(toString(user_id)));
