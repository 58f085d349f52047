-- What the platform is: keys, bundles, agents, their revisions, and who gets the calls.

CREATE TABLE keys (
	id         TEXT    NOT NULL PRIMARY KEY,
	project_id TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	hash       TEXT    NOT NULL UNIQUE, -- of the key itself, which nobody keeps
	created_at INTEGER NOT NULL         -- microseconds since 1970, as all times here
);

CREATE TABLE bundles (
	digest     TEXT    NOT NULL PRIMARY KEY,
	project_id TEXT    NOT NULL,
	packed     INTEGER NOT NULL,
	bytes      INTEGER NOT NULL,
	files      INTEGER NOT NULL,
	created_at INTEGER NOT NULL
);

CREATE TABLE agents (
	id         TEXT    NOT NULL PRIMARY KEY,
	project_id TEXT    NOT NULL,
	slug       TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	stopped    INTEGER NOT NULL, -- 1 when its owner took it out of service
	created_at INTEGER NOT NULL,
	UNIQUE (project_id, slug)
);

CREATE TABLE revisions (
	id          TEXT    NOT NULL PRIMARY KEY,
	project_id  TEXT    NOT NULL,
	node_id     TEXT    NOT NULL,
	agent_id    TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
	number      INTEGER NOT NULL, -- 1, 2, … of its agent
	digest      TEXT    NOT NULL REFERENCES bundles (digest),
	message     TEXT    NOT NULL,
	vars        BLOB    NOT NULL, -- JSON: the plain variables it was deployed with
	state       TEXT    NOT NULL,
	reason      TEXT    NOT NULL, -- why it failed, or could not come back
	callables   BLOB    NOT NULL, -- JSON: its entrypoints, as its first instance reported them
	environment BLOB    NOT NULL, -- JSON
	created_at  INTEGER NOT NULL,
	served_at   INTEGER NOT NULL, -- when it last began to get calls; 0 for never
	UNIQUE (agent_id, number)
);

CREATE TABLE traffic (
	agent_id    TEXT    NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
	revision_id TEXT    NOT NULL REFERENCES revisions (id) ON DELETE CASCADE,
	percent     INTEGER NOT NULL,
	PRIMARY KEY (agent_id, revision_id)
);
