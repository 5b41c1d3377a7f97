-- Deletes changes that every process has long heard of: a reconnecting process drops all it knows instead of reading back.
DELETE FROM config_change WHERE seq <= (SELECT max(seq) FROM config_change) - 10000
