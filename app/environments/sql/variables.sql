-- Encrypted variables that a run of an environment gets: its own and, for a branch, its parent's first.
-- $1 text: environment id.
-- Returns environment_id (for decryption), key, value_cipher; own rows last, so that they win.
SELECT v.environment_id, v.key, v.value_cipher
FROM environment e
JOIN environment_variable v ON v.environment_id = e.id OR v.environment_id = e.parent_id
WHERE e.id = $1
ORDER BY (v.environment_id = e.id), v.key
LIMIT 5000
