-- Where a viewer is in a film: the playhead of the latest report that advanced playback. Such
-- a report played a stretch, or is one of an older client that says neither stretch nor kind;
-- so a paused TV cannot overwrite a phone. Ties in time: seq, then event_id.
CREATE TABLE IF NOT EXISTS ${database}.resume_points${local}${on_cluster}
(
    user_id UUID CODEC(ZSTD(1)),
    profile_id UUID CODEC(ZSTD(1)),
    film_id UUID CODEC(ZSTD(1)),
    point AggregateFunction(argMax, Tuple(progress_ms UInt32, total_ms UInt32, event_time DateTime64(3, 'UTC')),
        Tuple(DateTime64(3, 'UTC'), UInt32, FixedString(16)))
)
ENGINE = ${Replicated}AggregatingMergeTree${path_only}
ORDER BY (user_id, profile_id, film_id)
SETTINGS ${durability};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.resume_points_mv${local}${on_cluster}
TO ${database}.resume_points${local} AS
SELECT
    user_id,
    profile_id,
    film_id,
    argMaxState(
        CAST((progress_ms, total_ms, event_time),
            'Tuple(progress_ms UInt32, total_ms UInt32, event_time DateTime64(3, \'UTC\'))'),
        (event_time, ifNull(seq, 0), UUIDToNum(event_id))
    ) AS point
FROM ${database}.views_raw${local}
WHERE (watched_from_ms IS NOT NULL AND progress_ms > watched_from_ms)
    OR (watched_from_ms IS NULL AND kind = '')
GROUP BY user_id, profile_id, film_id;

-- cluster only
CREATE TABLE IF NOT EXISTS ${database}.resume_points${on_cluster} AS ${database}.resume_points_local
ENGINE = Distributed(${cluster}, ${database}, resume_points_local, kafkaMurmurHash(toString(user_id)));
