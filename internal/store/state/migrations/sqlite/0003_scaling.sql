-- How each agent is scaled, where its owner said so; else its manifest does.

CREATE TABLE scaling (
	agent_id      TEXT NOT NULL PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
	min_instances INTEGER, -- NULL for what the manifest says
	max_instances INTEGER,
	target        REAL,
	idle_timeout  INTEGER  -- microseconds
);
