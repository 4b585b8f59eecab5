-- The retention curve of one film: a row for each bucket in which anything happened. The ledger is
-- read once: every viewer, and every play of the viewer, names the buckets that it touches.
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
        SELECT
            groupArrayArray(arrayDistinct(arrayMap(s -> intDiv(s, {bucket_s:UInt32}), bitmapToArray(watched)))) AS touched,
            groupArray(intDiv(bitmapMin(watched), {bucket_s:UInt32})) AS first,
            groupArray(intDiv(bitmapMax(watched), {bucket_s:UInt32})) AS last
        FROM plays
        GROUP BY user_id, profile_id
    )
SELECT
    toUInt32(named.1) AS bucket,
    sum(named.2) AS viewers,
    sum(named.3) AS plays,
    sum(named.4) AS starts,
    sum(named.5) AS stops
FROM
(
    SELECT arrayJoin(arrayConcat(
        arrayMap(b -> (b, 1, 0, 0, 0), arrayDistinct(touched)),
        arrayMap(b -> (b, 0, 1, 0, 0), touched),
        arrayMap(b -> (b, 0, 0, 1, 0), first),
        arrayMap(b -> (b, 0, 0, 0, 1), last)
    )) AS named
    FROM viewers
)
GROUP BY bucket
ORDER BY bucket
