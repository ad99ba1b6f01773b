CREATE TABLE hitl_schema (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT hitl_schema_pkc PRIMARY KEY (version_num)
);
CREATE TABLE audit_stream (
    id INTEGER NOT NULL,
    stream TEXT NOT NULL,
    started TEXT NOT NULL,
    labels TEXT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (stream)
);
CREATE TABLE audit_leaf (
    id INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    leaf TEXT NOT NULL,
    tree BLOB NOT NULL,
    salt BLOB,
    payload TEXT,
    PRIMARY KEY (id),
    UNIQUE (stream, seq),
    FOREIGN KEY(stream) REFERENCES audit_stream (id)
);
INSERT INTO hitl_schema (version_num) VALUES ('0001') RETURNING version_num;
CREATE TABLE audit_checkpoint (
    stream TEXT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (stream, size)
);
CREATE TABLE audit_anchored (
    anchor TEXT NOT NULL,
    stream TEXT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (anchor, stream)
);
UPDATE hitl_schema SET version_num='0002' WHERE hitl_schema.version_num = '0001';
CREATE TABLE approval (
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    session TEXT NOT NULL,
    tool TEXT NOT NULL,
    agent TEXT NOT NULL,
    principal TEXT NOT NULL,
    call_id TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    risk TEXT NOT NULL,
    terms TEXT NOT NULL,
    document TEXT NOT NULL,
    decision TEXT NOT NULL,
    rationale TEXT NOT NULL,
    reason TEXT NOT NULL,
    requested_at DOUBLE NOT NULL,
    expires_at DOUBLE NOT NULL,
    decided_at DOUBLE NOT NULL,
    execution_expires_at DOUBLE NOT NULL,
    started_at DOUBLE NOT NULL,
    ended_at DOUBLE NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE approval_vote (
    approval TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    groups TEXT NOT NULL,
    approves BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    at DOUBLE NOT NULL,
    PRIMARY KEY (approval, reviewer),
    FOREIGN KEY(approval) REFERENCES approval (id)
);
CREATE UNIQUE INDEX approval_live ON approval (digest) WHERE state IN ('approved', 'pending');
CREATE INDEX approval_by_digest ON approval (digest, requested_at);
CREATE INDEX approval_by_state ON approval (state, requested_at);
UPDATE hitl_schema SET version_num='0003' WHERE hitl_schema.version_num = '0002';
ALTER TABLE approval ADD COLUMN kind TEXT DEFAULT 'call' NOT NULL;
ALTER TABLE approval ADD COLUMN run TEXT DEFAULT '' NOT NULL;
ALTER TABLE approval ADD COLUMN scope TEXT DEFAULT '' NOT NULL;
ALTER TABLE approval ADD COLUMN edited TEXT DEFAULT 'null' NOT NULL;
ALTER TABLE approval ADD COLUMN edit TEXT DEFAULT 'null' NOT NULL;
ALTER TABLE approval ADD COLUMN answers TEXT DEFAULT 'null' NOT NULL;
ALTER TABLE approval ADD COLUMN viewed_at DOUBLE DEFAULT '0' NOT NULL;
ALTER TABLE approval ADD COLUMN due_at DOUBLE DEFAULT '0' NOT NULL;
ALTER TABLE approval ADD COLUMN escalated INTEGER DEFAULT '0' NOT NULL;
CREATE INDEX approval_due ON approval (due_at);
CREATE INDEX approval_by_tool ON approval (agent, tool, requested_at);
CREATE INDEX approval_by_time ON approval (requested_at);
ALTER TABLE approval_vote ADD COLUMN channel TEXT DEFAULT '' NOT NULL;
ALTER TABLE approval_vote ADD COLUMN category TEXT DEFAULT '' NOT NULL;
ALTER TABLE approval_vote ADD COLUMN seen TEXT DEFAULT '' NOT NULL;
ALTER TABLE approval_vote ADD COLUMN look_ms DOUBLE DEFAULT '0' NOT NULL;
UPDATE approval SET run = session;
UPDATE approval SET due_at = expires_at WHERE state = 'pending';
UPDATE approval SET due_at = execution_expires_at WHERE state = 'approved';
UPDATE approval SET due_at = started_at + 3600 WHERE state = 'executing';
CREATE TABLE approval_job (
    kind TEXT NOT NULL,
    approval TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    run_at DOUBLE NOT NULL,
    lease_until DOUBLE NOT NULL,
    error TEXT NOT NULL,
    dead BOOLEAN NOT NULL,
    PRIMARY KEY (kind, approval),
    FOREIGN KEY(approval) REFERENCES approval (id)
);
CREATE INDEX approval_job_due ON approval_job (dead, run_at);
CREATE TABLE standing_grant (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    waives TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    scope TEXT NOT NULL,
    tool TEXT NOT NULL,
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    effects TEXT NOT NULL,
    approval TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    revoked_by TEXT NOT NULL,
    granted_at DOUBLE NOT NULL,
    expires_at DOUBLE NOT NULL,
    used_at DOUBLE NOT NULL,
    revoked_at DOUBLE NOT NULL,
    max_uses INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX standing_grant_by_principal ON standing_grant (principal, expires_at);
CREATE TABLE letter (
    id TEXT NOT NULL,
    channel TEXT NOT NULL,
    audience TEXT NOT NULL,
    ref TEXT NOT NULL,
    shown TEXT NOT NULL,
    stamp TEXT NOT NULL,
    problem TEXT NOT NULL,
    tried BOOLEAN NOT NULL,
    closed BOOLEAN NOT NULL,
    lease_until DOUBLE NOT NULL,
    next_at DOUBLE NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE letter_about (
    approval TEXT NOT NULL,
    channel TEXT NOT NULL,
    audience TEXT NOT NULL,
    step INTEGER NOT NULL,
    letter TEXT NOT NULL,
    at DOUBLE NOT NULL,
    PRIMARY KEY (approval, channel, audience, step)
);
CREATE TABLE letter_routed (
    approval TEXT NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (approval, step)
);
CREATE TABLE letter_link (
    nonce TEXT NOT NULL,
    letter TEXT NOT NULL,
    approval TEXT NOT NULL,
    digest TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    PRIMARY KEY (nonce)
);
CREATE TABLE letter_reply (
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    answer TEXT NOT NULL,
    at DOUBLE NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX letter_by_closed ON letter (closed);
CREATE INDEX letter_about_by_letter ON letter_about (letter);
CREATE INDEX letter_link_by_letter ON letter_link (letter);
CREATE TABLE account (
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    groups TEXT NOT NULL,
    password TEXT NOT NULL,
    subject TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at DOUBLE NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE login (
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    auth TEXT NOT NULL,
    created_at DOUBLE NOT NULL,
    seen_at DOUBLE NOT NULL,
    authenticated_at DOUBLE NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX login_by_account ON login (account);
CREATE TABLE autonomy (
    agent TEXT NOT NULL,
    version TEXT NOT NULL,
    tool TEXT NOT NULL,
    risk TEXT NOT NULL,
    level INTEGER NOT NULL,
    at DOUBLE NOT NULL,
    PRIMARY KEY (agent, version, tool, risk)
);
UPDATE hitl_schema SET version_num='0004' WHERE hitl_schema.version_num = '0003';
CREATE TABLE transcript (
    id INTEGER NOT NULL,
    project TEXT NOT NULL,
    session TEXT NOT NULL,
    agent TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    at DOUBLE NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX transcript_by_place ON transcript (project, session, agent, id);
CREATE UNIQUE INDEX transcript_once ON transcript (project, session, agent, entry_id) WHERE entry_id != '';
UPDATE hitl_schema SET version_num='0005' WHERE hitl_schema.version_num = '0004';
ALTER TABLE approval ADD COLUMN canary TEXT DEFAULT '' NOT NULL CHECK (canary = '' OR (run = '' AND state IN ('pending', 'denied', 'expired', 'cancelled')));
CREATE INDEX approval_canary ON approval (requested_at) WHERE canary != '';
UPDATE hitl_schema SET version_num='0006' WHERE hitl_schema.version_num = '0005';
