-- Which of these files were applied, and when.
CREATE DATABASE IF NOT EXISTS ${database}${on_cluster};

CREATE TABLE IF NOT EXISTS ${database}.schema_migrations${local}${on_cluster}
(
    number UInt16,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ${Replicated}ReplacingMergeTree(${path}applied_at)
ORDER BY number
SETTINGS ${durability};

-- cluster only
CREATE TABLE IF NOT EXISTS ${database}.schema_migrations${on_cluster} AS ${database}.schema_migrations_local
ENGINE = Distributed(${cluster}, ${database}, schema_migrations_local, number);
