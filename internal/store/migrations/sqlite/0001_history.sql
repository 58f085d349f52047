-- Invocations and log lines: bulk data with retention, kept apart from the platform's state.

CREATE TABLE invocations (
	id            TEXT    NOT NULL PRIMARY KEY,
	project_id    TEXT    NOT NULL,
	node_id       TEXT    NOT NULL,
	server_id     TEXT    NOT NULL, -- the process that wrote it: who settles it when that process is gone
	attempt       INTEGER NOT NULL,
	agent_id      TEXT    NOT NULL,
	revision      TEXT    NOT NULL,
	entrypoint    TEXT    NOT NULL,
	session_id    TEXT    NOT NULL,
	status        TEXT    NOT NULL,
	start_kind    TEXT    NOT NULL,
	chunks        INTEGER NOT NULL,
	created_at    INTEGER NOT NULL, -- microseconds since 1970, as all times here
	finished_at   INTEGER NOT NULL, -- 0 while it runs
	queue_ns      INTEGER NOT NULL,
	start_ns      INTEGER NOT NULL,
	call_ns       INTEGER NOT NULL,
	total_ns      INTEGER NOT NULL,
	first_ns      INTEGER NOT NULL,
	door          TEXT    NOT NULL,
	sdk_type      TEXT    NOT NULL,
	client        TEXT    NOT NULL,
	request_id    TEXT    NOT NULL,
	error         BLOB,
	usage         BLOB,
	input         BLOB,
	input_size    INTEGER NOT NULL, -- of the whole; larger than what is kept when it was cut
	input_digest  TEXT    NOT NULL,
	output        BLOB,
	output_size   INTEGER NOT NULL,
	output_digest TEXT    NOT NULL
);

CREATE INDEX invocations_by_agent ON invocations (agent_id, created_at, id);
CREATE INDEX invocations_by_time ON invocations (created_at, id);
CREATE INDEX invocations_unfinished ON invocations (server_id) WHERE status = 'running';

CREATE TABLE log_lines (
	id            INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of all lines
	project_id    TEXT    NOT NULL,
	node_id       TEXT    NOT NULL,
	agent_id      TEXT    NOT NULL,
	invocation_id TEXT    NOT NULL,
	instance      TEXT    NOT NULL,
	stream        TEXT    NOT NULL,
	level         TEXT    NOT NULL,
	logged_at     INTEGER NOT NULL,
	line          TEXT    NOT NULL
);

CREATE INDEX log_lines_by_agent ON log_lines (agent_id, id);
CREATE INDEX log_lines_by_invocation ON log_lines (invocation_id, id) WHERE invocation_id <> '';

-- What is kept of each agent now, and what was ever: counting rows would be dear.
CREATE TABLE agent_totals (
	agent_id           TEXT    NOT NULL PRIMARY KEY,
	invocations_stored INTEGER NOT NULL,
	invocations_kept   INTEGER NOT NULL,
	lines_kept         INTEGER NOT NULL
);
