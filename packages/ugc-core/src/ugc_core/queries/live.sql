-- Viewers of one film with a report in the minute up to a moment.
SELECT uniqExact(user_id, profile_id) AS viewers
FROM views
WHERE film_id = {film_id:UUID}
    AND event_time > fromUnixTimestamp64Milli({at_ms:Int64} - 60000, 'UTC')
    AND event_time <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')
