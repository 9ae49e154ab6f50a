-- The first schema.
--
-- Conventions: every key leads with the workspace, then the connection. Ids of ours are 16-byte
-- blobs, ids of the CRM are text. Times are microseconds since 1970 (UTC), dates are ISO text.
-- Amounts are 16-byte blobs that sort like the numbers they stand for. `missing_since` says since
-- when complete pulls do not see a row any more, `gone_at` since when it is proved to be gone, and
-- `swept_by` which run found that; a row with `swept_by` and without `gone_at` was put back.

CREATE TABLE connections (
    workspace     TEXT NOT NULL,
    id            BLOB NOT NULL,
    revision      INTEGER NOT NULL,
    record        TEXT NOT NULL,
    token_key     TEXT,
    token_bytes   BLOB,
    token_version INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE handshakes (
    state_hash     BLOB NOT NULL PRIMARY KEY,
    workspace      TEXT NOT NULL,
    member         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    purpose        TEXT NOT NULL,
    address        TEXT NOT NULL,
    tenant         TEXT,
    verifier_key   TEXT NOT NULL,
    verifier_bytes BLOB NOT NULL,
    admin_consent  TEXT,
    started_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX handshakes_by_workspace ON handshakes (workspace, started_at);

-- The mirrored tables are rowid tables: the CRM's ids come in an order that is random to ours, so
-- that rows are appended and only the narrow index is written all over. Those that are packed (see
-- there) name their row, so that it stays the same for good.

CREATE TABLE users (
    workspace     TEXT NOT NULL,
    connection    BLOB NOT NULL,
    id            TEXT NOT NULL,
    version       INTEGER NOT NULL,
    missing_since INTEGER,
    gone_at       INTEGER,
    swept_by      BLOB,
    name          TEXT,
    name_key      TEXT,
    email         TEXT,
    sign_in_name  TEXT,
    kind          TEXT NOT NULL,
    status        TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, id)
) STRICT;

CREATE INDEX users_by_name ON users (workspace, name_key, connection, id)
    WHERE gone_at IS NULL;

CREATE INDEX users_by_email ON users (workspace, email)
    WHERE email IS NOT NULL AND gone_at IS NULL;

CREATE TABLE accounts (
    row             INTEGER PRIMARY KEY,
    workspace       TEXT NOT NULL,
    connection      BLOB NOT NULL,
    id              TEXT NOT NULL,
    version         INTEGER NOT NULL,
    missing_since   INTEGER,
    gone_at         INTEGER,
    swept_by        BLOB,
    name            TEXT,
    name_key        TEXT,
    domain          TEXT,
    website         TEXT,
    email           TEXT,
    phone           TEXT,
    industry        TEXT,
    employees       INTEGER,
    city            TEXT,
    country         TEXT,
    parent          TEXT,
    primary_contact TEXT,
    owner_kind      TEXT,
    owner           TEXT,
    status          TEXT NOT NULL,
    merged_into     TEXT,
    created_at      INTEGER,
    modified_at     INTEGER,
    UNIQUE (workspace, connection, id)
) STRICT;

CREATE INDEX accounts_by_name ON accounts (workspace, name_key, connection, id)
    WHERE gone_at IS NULL;

CREATE INDEX accounts_by_domain ON accounts (workspace, domain)
    WHERE domain IS NOT NULL AND gone_at IS NULL;

CREATE TABLE contacts (
    row           INTEGER PRIMARY KEY,
    workspace     TEXT NOT NULL,
    connection    BLOB NOT NULL,
    id            TEXT NOT NULL,
    version       INTEGER NOT NULL,
    missing_since INTEGER,
    gone_at       INTEGER,
    swept_by      BLOB,
    name          TEXT,
    name_key      TEXT,
    emails        TEXT NOT NULL,
    phone         TEXT,
    job_title     TEXT,
    department    TEXT,
    parent_kind   TEXT,
    parent        TEXT,
    owner_kind    TEXT,
    owner         TEXT,
    status        TEXT NOT NULL,
    merged_into   TEXT,
    created_at    INTEGER,
    modified_at   INTEGER,
    UNIQUE (workspace, connection, id)
) STRICT;
CREATE INDEX contacts_by_name ON contacts (workspace, name_key, connection, id)
    WHERE gone_at IS NULL;
CREATE INDEX contacts_by_account ON contacts (workspace, connection, parent)
    WHERE parent_kind = 'account';

CREATE TABLE opportunities (
    row            INTEGER PRIMARY KEY,
    workspace      TEXT NOT NULL,
    connection     BLOB NOT NULL,
    id             TEXT NOT NULL,
    version        INTEGER NOT NULL,
    missing_since  INTEGER,
    gone_at        INTEGER,
    swept_by       BLOB,
    name           TEXT,
    name_key       TEXT,
    owner_kind     TEXT,
    owner          TEXT,
    status         TEXT NOT NULL,
    status_reason  TEXT,
    customer_kind  TEXT,
    customer       TEXT,
    account        TEXT,
    contact        TEXT,
    -- The account and the contact that the opportunity belongs to by either of the above.
    of_account     TEXT,
    of_contact     TEXT,
    -- Where it stands by the best source known: the stage of its newest process that runs, else of
    -- the newest that has finished, else `record_stage`. Follows the assignments.
    stage          TEXT,
    record_stage   TEXT,
    record_process TEXT,
    record_label   TEXT,
    value          BLOB,
    base_value     BLOB,
    currency       TEXT,
    close_date     TEXT,
    closed_on      TEXT,
    probability    INTEGER,
    created_at     INTEGER,
    modified_at    INTEGER,
    UNIQUE (workspace, connection, id)
) STRICT;
CREATE INDEX opportunities_by_name ON opportunities (workspace, name_key, connection, id)
    WHERE gone_at IS NULL;
CREATE INDEX opportunities_by_close ON opportunities
    (workspace, status, close_date, connection, id)
    WHERE gone_at IS NULL;
CREATE INDEX opportunities_by_value ON opportunities
    (workspace, status, value DESC, connection, id)
    WHERE gone_at IS NULL;
CREATE INDEX opportunities_by_owner ON opportunities (workspace, connection, owner)
    WHERE owner_kind = 'user' AND gone_at IS NULL;
CREATE INDEX opportunities_by_stage ON opportunities (workspace, connection, stage)
    WHERE stage IS NOT NULL AND gone_at IS NULL;
CREATE INDEX opportunities_by_account ON opportunities (workspace, connection, of_account)
    WHERE of_account IS NOT NULL;

CREATE TABLE stages (
    workspace        TEXT NOT NULL,
    connection       BLOB NOT NULL,
    id               TEXT NOT NULL,
    version          INTEGER NOT NULL,
    missing_since    INTEGER,
    gone_at          INTEGER,
    swept_by         BLOB,
    name             TEXT,
    name_key         TEXT,
    process          TEXT,
    process_name     TEXT,
    process_position INTEGER,
    position         INTEGER,
    category         TEXT,
    PRIMARY KEY (workspace, connection, id)
) STRICT;

CREATE TABLE stage_assignments (
    workspace     TEXT NOT NULL,
    connection    BLOB NOT NULL,
    id            TEXT NOT NULL,
    version       INTEGER NOT NULL,
    missing_since INTEGER,
    gone_at       INTEGER,
    swept_by      BLOB,
    opportunity   TEXT NOT NULL,
    process       TEXT,
    stage         TEXT NOT NULL,
    state         TEXT NOT NULL,
    since         INTEGER,
    modified_at   INTEGER,
    origin        TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, id)
) STRICT;
-- With all that says where an opportunity stands, the newest last.
CREATE INDEX stage_assignments_by_opportunity ON stage_assignments
    (workspace, connection, opportunity, state, modified_at, since, id, stage, gone_at);

CREATE TABLE currencies (
    workspace     TEXT NOT NULL,
    connection    BLOB NOT NULL,
    id            TEXT NOT NULL,
    version       INTEGER NOT NULL,
    missing_since INTEGER,
    gone_at       INTEGER,
    swept_by      BLOB,
    code          TEXT NOT NULL,
    name          TEXT,
    symbol        TEXT,
    precision     INTEGER,
    role          TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, id)
) STRICT;

-- The few rows with a mark, to count, list and forget them without reading the others.
CREATE INDEX users_marked ON users (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX accounts_marked ON accounts (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX contacts_marked ON contacts (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX opportunities_marked ON opportunities (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX stages_marked ON stages (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX stage_assignments_marked ON stage_assignments (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX currencies_marked ON currencies (workspace, connection, id)
    WHERE missing_since IS NOT NULL OR gone_at IS NOT NULL;
CREATE INDEX opportunities_closed ON opportunities (workspace, connection)
    WHERE status IN ('won', 'lost');

-- Names and figures of mirrored rows once more, 128 neighbours to a blob, for questions that look
-- at all of them: reading as many rows one by one would take too long. See `packed.rs`.
CREATE TABLE packed (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    name       TEXT NOT NULL,
    block      INTEGER NOT NULL,
    entries    BLOB NOT NULL,
    PRIMARY KEY (workspace, connection, name, block)
) STRICT;

-- The rows that a step has changed and not packed yet: none between steps.
CREATE TABLE unpacked (
    name       TEXT NOT NULL,
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    row        INTEGER NOT NULL,
    PRIMARY KEY (name, workspace, connection, row)
) STRICT, WITHOUT ROWID;

-- `OR ROLLBACK`: see `insert` in `mirror/apply.rs`.
CREATE TRIGGER accounts_came AFTER INSERT ON accounts BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('accounts', NEW.workspace, NEW.connection, NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER accounts_changed AFTER UPDATE OF name_key, gone_at ON accounts
    WHEN (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL) OR OLD.name_key IS NOT NEW.name_key
BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('accounts', NEW.workspace, NEW.connection, NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER accounts_left AFTER DELETE ON accounts BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('accounts', OLD.workspace, OLD.connection, OLD.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER contacts_came AFTER INSERT ON contacts BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('contacts', NEW.workspace, NEW.connection, NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER contacts_changed AFTER UPDATE OF name_key, gone_at ON contacts
    WHEN (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL) OR OLD.name_key IS NOT NEW.name_key
BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('contacts', NEW.workspace, NEW.connection, NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER contacts_left AFTER DELETE ON contacts BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('contacts', OLD.workspace, OLD.connection, OLD.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER opportunities_came AFTER INSERT ON opportunities BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('opportunities', NEW.workspace, NEW.connection, NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER opportunities_changed AFTER UPDATE OF name_key, status, owner_kind, owner, stage,
    value, base_value, currency, close_date, closed_on, gone_at ON opportunities
    WHEN (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL) OR OLD.name_key IS NOT NEW.name_key
        OR OLD.status IS NOT NEW.status OR OLD.owner_kind IS NOT NEW.owner_kind
        OR OLD.owner IS NOT NEW.owner OR OLD.stage IS NOT NEW.stage
        OR OLD.value IS NOT NEW.value OR OLD.base_value IS NOT NEW.base_value
        OR OLD.currency IS NOT NEW.currency OR OLD.close_date IS NOT NEW.close_date
        OR OLD.closed_on IS NOT NEW.closed_on
BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('opportunities', NEW.workspace, NEW.connection, NEW.row) ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER opportunities_left AFTER DELETE ON opportunities BEGIN
    INSERT OR ROLLBACK INTO unpacked (name, workspace, connection, row)
        VALUES ('opportunities', OLD.workspace, OLD.connection, OLD.row) ON CONFLICT DO NOTHING;
END;

CREATE TABLE runs (
    workspace   TEXT NOT NULL,
    connection  BLOB NOT NULL,
    run         BLOB NOT NULL,
    -- Counts the runs of a connection; the newest is the largest.
    number      INTEGER NOT NULL,
    phase       TEXT NOT NULL,
    -- Whose eyes it reads with, as JSON.
    reader      TEXT NOT NULL,
    -- The last change of the deals before it.
    followed    INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (workspace, connection, run)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX runs_by_number ON runs (workspace, connection, number);

-- How a run reads a table and how far it has come, and what ending the reading found.
CREATE TABLE run_tables (
    workspace     TEXT NOT NULL,
    connection    BLOB NOT NULL,
    run           BLOB NOT NULL,
    name          TEXT NOT NULL,
    -- -1 for a table that was ended without having been planned.
    attempt       INTEGER NOT NULL,
    plan          TEXT NOT NULL,
    written       INTEGER NOT NULL,
    doubt         TEXT,
    seen          INTEGER,
    present       INTEGER,
    missing       INTEGER,
    newly_missing INTEGER,
    proved        INTEGER,
    PRIMARY KEY (workspace, connection, run, name)
) STRICT, WITHOUT ROWID;

-- One row a chain of the plan. `resume` is NULL at the start and at the end.
CREATE TABLE chains (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    run        BLOB NOT NULL,
    name       TEXT NOT NULL,
    place      INTEGER NOT NULL,
    pages      INTEGER NOT NULL,
    rows       INTEGER NOT NULL,
    reached    TEXT NOT NULL,
    resume     TEXT,
    PRIMARY KEY (workspace, connection, run, name, place)
) STRICT, WITHOUT ROWID;

-- One row a page: which ids it showed (one a line), and what storing it did. A rowid table,
-- because a row may have hundreds of kilobytes.
CREATE TABLE seen_pages (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    run        BLOB NOT NULL,
    name       TEXT NOT NULL,
    chain      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    inserted   INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    unchanged  INTEGER NOT NULL,
    ids        TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, run, name, chain, seq)
) STRICT;

-- What the last runs found changed: one row for each mirrored row and run. `number` is the run's.
CREATE TABLE row_changes (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    number     INTEGER NOT NULL,
    name       TEXT NOT NULL,
    id         TEXT NOT NULL,
    run        BLOB NOT NULL,
    at         INTEGER NOT NULL,
    label      TEXT,
    account    TEXT,
    -- What happened, as JSON.
    change     TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, number, name, id)
) STRICT;
CREATE INDEX row_changes_by_time ON row_changes (workspace, at DESC, connection, name, id);
CREATE INDEX row_changes_by_account
    ON row_changes (workspace, account, at DESC, connection, name, id);

-- How many changes of a run were not kept.
CREATE TABLE changes_left_off (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    number     INTEGER NOT NULL,
    left_off   INTEGER NOT NULL,
    PRIMARY KEY (workspace, connection, number)
) STRICT, WITHOUT ROWID;

-- How looking for the missing rows of a table ended last.
CREATE TABLE sweeps (
    workspace   TEXT NOT NULL,
    connection  BLOB NOT NULL,
    name        TEXT NOT NULL,
    run         BLOB NOT NULL,
    at          INTEGER NOT NULL,
    missing     INTEGER NOT NULL,
    withheld    TEXT,
    -- When it was approved, and since when at the latest the rows meant are missing.
    approved_at INTEGER,
    approves_until INTEGER,
    PRIMARY KEY (workspace, connection, name)
) STRICT, WITHOUT ROWID;

-- A rowid table for the same reason as the mirrored ones: ids of deals are as good as random.
CREATE TABLE deals (
    workspace    TEXT NOT NULL,
    connection   BLOB NOT NULL,
    id           BLOB NOT NULL,
    opportunity  TEXT NOT NULL,
    state        TEXT NOT NULL,
    details      TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    -- Of the above, what deals are found and sorted by.
    name_key     TEXT,
    owner        TEXT NOT NULL,
    standing     TEXT NOT NULL,
    account      TEXT,
    stage        TEXT,
    currency     TEXT,
    value        BLOB,
    close_date   TEXT,
    PRIMARY KEY (workspace, connection, id)
) STRICT;
CREATE INDEX deals_by_name ON deals (workspace, name_key, connection, id);
CREATE INDEX deals_by_close ON deals (workspace, standing, close_date, connection, id);
CREATE INDEX deals_by_value ON deals (workspace, standing, value DESC, connection, id);
CREATE INDEX deals_by_owner ON deals (workspace, owner);
CREATE INDEX deals_by_account ON deals (workspace, account) WHERE account IS NOT NULL;
CREATE UNIQUE INDEX deals_by_id ON deals (workspace, id);

CREATE TABLE deal_changes (
    workspace   TEXT NOT NULL,
    connection  BLOB NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    opportunity TEXT NOT NULL,
    name        TEXT,
    kind        TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, seq)
) STRICT;

CREATE TABLE skipped (
    workspace   TEXT NOT NULL,
    connection  BLOB NOT NULL,
    opportunity TEXT NOT NULL,
    name        TEXT,
    reason      TEXT NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (workspace, connection, opportunity)
) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    seq        INTEGER NOT NULL,
    key        TEXT NOT NULL,
    at         INTEGER NOT NULL,
    event      TEXT NOT NULL,
    PRIMARY KEY (workspace, connection, seq)
) STRICT;
CREATE UNIQUE INDEX feed_by_key ON feed (workspace, connection, key);

CREATE TABLE feed_followed (
    workspace  TEXT NOT NULL,
    connection BLOB NOT NULL,
    followed   INTEGER NOT NULL,
    PRIMARY KEY (workspace, connection)
) STRICT, WITHOUT ROWID;

CREATE TABLE publications (
    workspace        TEXT NOT NULL,
    id               BLOB NOT NULL,
    connection       BLOB NOT NULL,
    opportunity      TEXT NOT NULL,
    organisation     TEXT NOT NULL,
    deal             BLOB NOT NULL,
    document         TEXT NOT NULL,
    title            TEXT NOT NULL,
    html             TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    author           TEXT,
    revised_at       INTEGER NOT NULL,
    language         TEXT,
    first_pending_at INTEGER NOT NULL,
    last_pending_at  INTEGER NOT NULL,
    state            TEXT NOT NULL,
    epoch            INTEGER NOT NULL,
    unsettled        TEXT NOT NULL,
    receipt          TEXT NOT NULL,
    attempts         INTEGER NOT NULL,
    next_try_at      INTEGER,
    last_refusal     TEXT NOT NULL,
    resend           INTEGER NOT NULL,
    unpublished      INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX publications_by_connection ON publications (workspace, connection, id);
CREATE INDEX publications_to_do ON publications (workspace, connection, id) WHERE unpublished;

-- Work items. `token` never goes down, so a row stays when nothing is due any more.
-- A claimed item has `leased_until`; what is scheduled meanwhile waits in `again_at`.
CREATE TABLE work (
    workspace    TEXT NOT NULL,
    kind         TEXT NOT NULL,
    id           BLOB NOT NULL,
    due_at       INTEGER,
    token        INTEGER NOT NULL,
    leased_until INTEGER,
    again_at     INTEGER,
    PRIMARY KEY (workspace, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_by_due ON work (kind, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX work_by_lease ON work (leased_until) WHERE leased_until IS NOT NULL;

CREATE TABLE gates (
    kind  TEXT NOT NULL,
    scope TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, scope)
) STRICT, WITHOUT ROWID;
