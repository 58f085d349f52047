-- A revision on trial gets a part of the calls until it is decided on.

ALTER TABLE traffic ADD COLUMN canary_until INTEGER NOT NULL DEFAULT 0; -- 0 for no trial
