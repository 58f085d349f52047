-- Which revision printed a line: those of one are asked for.

ALTER TABLE log_lines ADD COLUMN revision TEXT NOT NULL DEFAULT '';
