-- One film over a range of UTC days: reach, plays, watch time, completion.
WITH
    plays AS
    (
        SELECT
            user_id,
            profile_id,
            groupBitmapMergeState(seconds) AS watched,
            max(total_ms) AS total
        FROM playback
        WHERE film_id = {film_id:UUID} AND day BETWEEN {since:Date} AND {until:Date}
        GROUP BY
            user_id,
            profile_id,
            session_id,
            if(session_id = toUUID('00000000-0000-0000-0000-000000000000'), day, toDate(0))
    ),
    viewers AS
    (
        SELECT
            countIf(bitmapCardinality(watched) > 0) AS plays,
            sum(bitmapCardinality(watched)) AS watch_time,
            groupBitmapMerge(watched) AS unique_seconds,
            max(total) AS total
        FROM plays
        GROUP BY user_id, profile_id
    ),
    (SELECT greatest(intDiv(max(total) + 500, 1000), 1) FROM viewers) AS length
SELECT
    if(count() = 0, 0, toUInt32(length)) AS length_s,
    countIf(unique_seconds > 0) AS reach,
    sum(plays) AS plays,
    sum(watch_time) AS watch_time_s,
    sum(unique_seconds) AS unique_s,
    countIf(unique_seconds > 0 AND unique_seconds * 10 >= length * 9) AS completed
FROM viewers
