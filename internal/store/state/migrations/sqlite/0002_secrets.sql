-- Secrets, sealed with a key that is not in this file.

CREATE TABLE secrets (
	project_id TEXT    NOT NULL,
	agent_id   TEXT    NOT NULL, -- '' for all agents
	name       TEXT    NOT NULL,
	sealed     BLOB    NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (project_id, agent_id, name)
);
