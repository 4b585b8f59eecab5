-- The retention curve of one film: a row for each bucket in which anything happened.
WITH
    plays AS
    (
        SELECT
            user_id,
            profile_id,
            groupBitmapMergeState(seconds) AS watched
        FROM playback
        WHERE film_id = {film_id:UUID} AND day BETWEEN {since:Date} AND {until:Date}
        GROUP BY
            user_id,
            profile_id,
            session_id,
            if(session_id = toUUID('00000000-0000-0000-0000-000000000000'), day, toDate(0))
        HAVING bitmapCardinality(watched) > 0
    ),
    viewers AS
    (
        SELECT groupBitmapMergeState(watched) AS watched
        FROM plays
        GROUP BY user_id, profile_id
    )
SELECT bucket, sum(viewers) AS viewers, sum(plays) AS plays, sum(starts) AS starts, sum(stops) AS stops
FROM
(
    SELECT
        arrayJoin(arrayDistinct(arrayMap(s -> intDiv(s, {bucket_s:UInt32}), bitmapToArray(watched)))) AS bucket,
        1 AS viewers, 0 AS plays, 0 AS starts, 0 AS stops
    FROM viewers
    UNION ALL
    SELECT
        arrayJoin(arrayDistinct(arrayMap(s -> intDiv(s, {bucket_s:UInt32}), bitmapToArray(watched)))) AS bucket,
        0, 1, 0, 0
    FROM plays
    UNION ALL
    SELECT intDiv(bitmapMin(watched), {bucket_s:UInt32}) AS bucket, 0, 0, 1, 0 FROM plays
    UNION ALL
    SELECT intDiv(bitmapMax(watched), {bucket_s:UInt32}) AS bucket, 0, 0, 0, 1 FROM plays
)
GROUP BY bucket
ORDER BY bucket
