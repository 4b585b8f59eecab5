-- What an analyst selects: each report once, with NULL for what was absent.
CREATE VIEW IF NOT EXISTS ${database}.views${on_cluster} AS
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
FROM ${database}.views_raw FINAL;
