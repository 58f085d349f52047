-- Records that ended at full speed, by the hundred in one row: a row for each, with its indexes, cost more than the calls.

CREATE TABLE packs (
	id        INTEGER PRIMARY KEY,
	agent_id  TEXT    NOT NULL,
	first_at  INTEGER NOT NULL, -- when the oldest and the newest of them were created
	last_at   INTEGER NOT NULL,
	first_id  TEXT    NOT NULL, -- the least and the greatest of their IDs
	last_id   TEXT    NOT NULL,
	records   INTEGER NOT NULL, -- how many
	succeeded INTEGER NOT NULL,
	failed    INTEGER NOT NULL,
	canceled  INTEGER NOT NULL,
	timed_out INTEGER NOT NULL,
	timed     INTEGER NOT NULL, -- how many took measured time, and how much together
	took_ns   INTEGER NOT NULL,
	data      BLOB    NOT NULL
);

CREATE INDEX packs_by_agent ON packs (agent_id, last_at);
CREATE INDEX packs_by_time ON packs (last_at);
CREATE INDEX packs_by_id ON packs (last_id, first_id);
