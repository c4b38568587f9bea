-- Times are milliseconds since the Unix epoch; what may be unset says so by NULL; identifiers are ours.

CREATE TABLE organization (
    singleton       INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id              INTEGER NOT NULL,
    key_fingerprint BLOB    NOT NULL,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE profile (
    id                 INTEGER NOT NULL PRIMARY KEY,
    name               TEXT    NOT NULL UNIQUE,
    token_max_age      INTEGER NOT NULL,
    lockout_failures   INTEGER NOT NULL,
    lockout_period     INTEGER NOT NULL,
    session_idle       INTEGER NOT NULL,
    on_reset           TEXT    NOT NULL,
    on_password_change TEXT    NOT NULL,
    mail_encryption    TEXT    NOT NULL,
    web_lifetime       INTEGER NOT NULL,
    access             TEXT    NOT NULL,
    duty               TEXT    NOT NULL,
    duty_since         INTEGER,
    api_duty_since     INTEGER,
    enrol_grace        INTEGER NOT NULL,
    login_hours        TEXT    NOT NULL,
    time_zone          TEXT    NOT NULL,
    login_ranges       TEXT    NOT NULL,
    password_length    INTEGER NOT NULL,
    password_kinds     INTEGER NOT NULL,
    password_history   INTEGER NOT NULL,
    password_max_age   INTEGER,
    -- The one that holds for everybody beside his own.
    everybody_since    INTEGER UNIQUE,
    created_at         INTEGER NOT NULL
) STRICT;

CREATE TABLE user_account (
    id                  INTEGER NOT NULL PRIMARY KEY,
    username            TEXT    NOT NULL,
    username_key        TEXT    NOT NULL,
    email               TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    profile_id          INTEGER NOT NULL REFERENCES profile (id),
    profile_since       INTEGER NOT NULL,
    -- Where mail with a token goes instead, for users who read none.
    delivery_email      TEXT,
    admin_since         INTEGER,
    password_hash       TEXT,
    password_key        INTEGER,
    password_changed_at INTEGER,
    password_expired_at INTEGER,
    epoch               INTEGER NOT NULL,
    frozen_at           INTEGER,
    tokens_frozen_at    INTEGER,
    -- Who froze them: owner or sharing.
    tokens_frozen_by    TEXT,
    -- When such a freeze was last lifted: uses before it no longer look shared.
    tokens_unfrozen_at  INTEGER,
    removed_at          INTEGER,
    failures            INTEGER NOT NULL,
    last_failure_at     INTEGER,
    locked_until        INTEGER,
    code_failures       INTEGER NOT NULL DEFAULT 0,
    last_code_failure_at INTEGER,
    code_locked_until   INTEGER,
    last_login_at       INTEGER,
    created_at          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX user_account_name ON user_account (username_key) WHERE removed_at IS NULL;
CREATE INDEX user_account_email ON user_account (email);

-- Passwords that were replaced, the latest with the highest number: they may not come again.
CREATE TABLE password_history (
    user_id       INTEGER NOT NULL REFERENCES user_account (id),
    number        INTEGER NOT NULL,
    password_hash TEXT    NOT NULL,
    password_key  INTEGER NOT NULL,
    replaced_at   INTEGER NOT NULL,
    PRIMARY KEY (user_id, number)
) STRICT;

CREATE TABLE device_type (
    id           INTEGER NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    bearer_since INTEGER,
    max_age      INTEGER NOT NULL,
    reminders    TEXT NOT NULL,
    -- Ranges from where its tokens may be used; empty: from anywhere.
    addresses    TEXT NOT NULL,
    idle_end     INTEGER,
    overlap      TEXT NOT NULL,
    -- Numbers of the profiles whose users may hold one; empty: everybody.
    holders      TEXT NOT NULL,
    client_kind  TEXT,
    mismatch     TEXT NOT NULL,
    most_places  INTEGER NOT NULL,
    on_sharing   TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    id            INTEGER NOT NULL PRIMARY KEY,
    user_id       INTEGER NOT NULL REFERENCES user_account (id),
    device_type   TEXT    NOT NULL,
    digest        BLOB    NOT NULL,
    issued_at     INTEGER NOT NULL,
    -- How it came to be. Who wanted it is its owner or an administrator; without one, whoever runs the server.
    issued_as     TEXT    NOT NULL,
    issued_scope  TEXT    NOT NULL,
    issuer_id     INTEGER REFERENCES user_account (id),
    issued_from   TEXT,
    -- When the mail server took the letter that carries it: before that its owner cannot have it.
    mailed_at     INTEGER,
    expires_at    INTEGER NOT NULL,
    -- While a rotation is under way: the token that comes in its place, and when it would have expired without.
    succeeded_by  INTEGER,
    expiry_before INTEGER,
    -- Where it was retired as its rotation was cancelled: the token that goes on.
    cancelled_for INTEGER,
    retired_at    INTEGER,
    retired_cause TEXT,
    retired_by    TEXT,
    last_used_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX token_digest ON token (digest);
-- At most one live token per user and device type, and one more that a rotation lets live on: the database
-- itself refuses another.
CREATE UNIQUE INDEX token_one_live ON token (user_id, device_type) WHERE retired_at IS NULL AND succeeded_by IS NULL;
CREATE UNIQUE INDEX token_one_outgoing ON token (user_id, device_type) WHERE retired_at IS NULL AND succeeded_by IS NOT NULL;
CREATE INDEX token_user ON token (user_id, issued_at);
CREATE INDEX token_issued ON token (issued_at, id);
-- Of the few that have one: else it would seem fit for finding all the others.
CREATE INDEX token_successor ON token (succeeded_by) WHERE retired_at IS NULL AND succeeded_by IS NOT NULL;
CREATE INDEX token_live_expiry ON token (expires_at, id) WHERE retired_at IS NULL;

CREATE TABLE reset_request (
    user_id     INTEGER NOT NULL REFERENCES user_account (id),
    request_key TEXT    NOT NULL,
    -- What was asked for: the same key for anything else is refused.
    request     TEXT    NOT NULL,
    token_id    INTEGER NOT NULL REFERENCES token (id),
    at          INTEGER NOT NULL,
    PRIMARY KEY (user_id, request_key)
) STRICT;

CREATE TABLE retired_use (
    token_id  INTEGER NOT NULL REFERENCES token (id),
    source    TEXT    NOT NULL,
    client    TEXT    NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    times     INTEGER NOT NULL,
    warned_at INTEGER,
    PRIMARY KEY (token_id, source, client)
) STRICT;

-- Who uses a live credential (a token or a session): the distinct pairs of client and network.
CREATE TABLE credential_use (
    credential INTEGER NOT NULL,
    network    TEXT NOT NULL,
    client     TEXT NOT NULL,
    source     TEXT NOT NULL,
    head       TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    times      INTEGER NOT NULL,
    PRIMARY KEY (credential, network, client)
) STRICT;
CREATE INDEX credential_use_last ON credential_use (credential, last_at);
CREATE INDEX credential_use_at ON credential_use (last_at);

-- Where a user has proved himself: a browser that holds a secret, or a client in a network at an API.
CREATE TABLE place (
    id                   INTEGER NOT NULL PRIMARY KEY,
    user_id              INTEGER NOT NULL REFERENCES user_account (id),
    kind                 TEXT    NOT NULL,
    digest               BLOB,
    client               TEXT    NOT NULL,
    network              TEXT    NOT NULL,
    source               TEXT    NOT NULL,
    first_at             INTEGER NOT NULL,
    last_at              INTEGER NOT NULL,
    failures             INTEGER NOT NULL,
    last_failure_at      INTEGER,
    locked_until         INTEGER,
    code_failures        INTEGER NOT NULL,
    last_code_failure_at INTEGER,
    code_locked_until    INTEGER,
    link_opened_at       INTEGER,
    ended_at             INTEGER
) STRICT;
CREATE UNIQUE INDEX place_digest ON place (digest);
CREATE UNIQUE INDEX place_of_api ON place (user_id, client, network) WHERE digest IS NULL;
CREATE INDEX place_of_user ON place (user_id, last_at);
CREATE INDEX place_last ON place (last_at);

CREATE TABLE session (
    id           INTEGER NOT NULL PRIMARY KEY,
    digest       BLOB    NOT NULL,
    kind         TEXT    NOT NULL,
    user_id      INTEGER NOT NULL REFERENCES user_account (id),
    token_id     INTEGER REFERENCES token (id),
    device_type  TEXT,
    client_id    INTEGER,
    head         TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    proof        TEXT,
    proved_at    INTEGER,
    place_id     INTEGER,
    restriction  TEXT,
    started_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    ended_at     INTEGER,
    ended_cause  TEXT
) STRICT;
CREATE UNIQUE INDEX session_digest ON session (digest);
CREATE INDEX session_of_user ON session (user_id, ended_at);
CREATE INDEX session_live_of_token ON session (token_id) WHERE ended_at IS NULL;
CREATE INDEX session_live_of_place ON session (place_id) WHERE ended_at IS NULL;
CREATE INDEX session_idle ON session (last_used_at);

-- What somebody has begun and must still prove: a login after the password, an enrolment, a step-up.
CREATE TABLE challenge (
    id          INTEGER NOT NULL PRIMARY KEY,
    purpose     TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    user_id     INTEGER REFERENCES user_account (id),
    session_id  INTEGER,
    epoch       INTEGER,
    place_id    INTEGER,
    code_digest BLOB,
    letter_id   INTEGER,
    letters     INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    state       BLOB,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
CREATE UNIQUE INDEX challenge_digest ON challenge (digest);
CREATE INDEX challenge_of_user ON challenge (user_id, purpose, created_at);
CREATE INDEX challenge_expiry ON challenge (expires_at);

-- Authenticator apps. `secret` is sealed under the key `key_id`; `last_step` is the last time step of which a
-- code was taken: no step counts twice, on whichever node.
CREATE TABLE authenticator (
    id           INTEGER NOT NULL PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES user_account (id),
    name         TEXT NOT NULL,
    secret       BLOB NOT NULL,
    key_id       INTEGER NOT NULL,
    last_step    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX authenticator_user ON authenticator (user_id);
CREATE INDEX authenticator_sealed ON authenticator (key_id);

CREATE TABLE recovery_code (
    id         INTEGER NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES user_account (id),
    digest     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE UNIQUE INDEX recovery_code_digest ON recovery_code (user_id, digest);

-- Passkeys (WebAuthn). `credential` is the identifier that the device gave it, `record` what never changes
-- (the public key), `state` what each use may change (the counter).
CREATE TABLE passkey (
    id           INTEGER NOT NULL PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES user_account (id),
    name         TEXT NOT NULL,
    credential   BLOB NOT NULL,
    transports   INTEGER NOT NULL,
    record       BLOB NOT NULL,
    state        BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE UNIQUE INDEX passkey_credential ON passkey (credential);
CREATE INDEX passkey_user ON passkey (user_id);

CREATE TABLE address_change (
    id               INTEGER NOT NULL PRIMARY KEY,
    user_id          INTEGER NOT NULL REFERENCES user_account (id),
    new_email        TEXT    NOT NULL,
    old_confirmed_at INTEGER,
    new_confirmed_at INTEGER,
    created_at       INTEGER NOT NULL,
    ended_at         INTEGER
) STRICT;
CREATE INDEX address_change_user ON address_change (user_id);

CREATE TABLE link (
    id         INTEGER NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    user_id    INTEGER REFERENCES user_account (id),
    subject    INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE UNIQUE INDEX link_digest ON link (digest);
CREATE INDEX link_live_of_user ON link (user_id, kind) WHERE used_at IS NULL;

CREATE TABLE letter (
    id           INTEGER NOT NULL PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES user_account (id),
    kind         TEXT    NOT NULL,
    to_address   TEXT    NOT NULL,
    to_name      TEXT    NOT NULL,
    facts        TEXT    NOT NULL,
    network      TEXT,
    token_id     INTEGER REFERENCES token (id),
    key_id       INTEGER,
    nonce        BLOB,
    -- How urgent it is: 0 somebody waits for it, 1 a notice, 2 one of very many, 3 nobody waits for it.
    rank         INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    next_try_at  INTEGER NOT NULL,
    lease        INTEGER,
    leased_until INTEGER,
    last_reply   TEXT,
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT;
CREATE INDEX letter_due ON letter (rank, next_try_at) WHERE ended_at IS NULL;
CREATE INDEX letter_created ON letter (created_at, id);
CREATE INDEX letter_ended ON letter (ended_at);
CREATE INDEX letter_token ON letter (token_id);
CREATE INDEX letter_user ON letter (user_id, created_at);

CREATE TABLE login (
    id             INTEGER NOT NULL PRIMARY KEY,
    at             INTEGER NOT NULL,
    user_id        INTEGER,
    username       TEXT    NOT NULL,
    head           TEXT    NOT NULL,
    client         TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    -- What the guard against floods counts the source under.
    network        TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    token_id       INTEGER,
    chain          TEXT    NOT NULL
) STRICT;
CREATE INDEX login_user ON login (user_id, at);
CREATE INDEX login_at ON login (at);
CREATE INDEX login_network ON login (network, at);
CREATE INDEX login_correlation ON login (correlation_id);

-- One row for each instant at which a name failed: of any period all failures are known, and no more than the
-- limit are written down within it.
CREATE TABLE source_failure (
    source       TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    username_key TEXT    NOT NULL,
    failures     INTEGER NOT NULL,
    PRIMARY KEY (source, at, username_key)
) STRICT;
CREATE INDEX source_failure_at ON source_failure (at);

CREATE TABLE network (
    id         INTEGER NOT NULL PRIMARY KEY,
    range      TEXT    NOT NULL UNIQUE,
    label      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE client (
    id                   INTEGER NOT NULL PRIMARY KEY,
    name                 TEXT    NOT NULL,
    password_grant_since INTEGER,
    created_at           INTEGER NOT NULL,
    removed_at           INTEGER
) STRICT;

-- Several for each client, so that a new secret can be rolled out before the old one ends.
CREATE TABLE client_secret (
    id         INTEGER NOT NULL PRIMARY KEY,
    client_id  INTEGER NOT NULL REFERENCES client (id),
    digest     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;
CREATE INDEX client_secret_live ON client_secret (client_id) WHERE removed_at IS NULL;

CREATE TABLE audit (
    number  INTEGER NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    details TEXT    NOT NULL,
    hash    BLOB    NOT NULL
) STRICT;

CREATE TABLE audit_head (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    number    INTEGER NOT NULL,
    hash      BLOB    NOT NULL
) STRICT;
INSERT INTO audit_head (singleton, number, hash)
VALUES (1, 0, x'0000000000000000000000000000000000000000000000000000000000000000');

-- The next revision comes from this one row, so that revisions are dense and in commit order.
CREATE TABLE revision (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    revision  INTEGER NOT NULL
) STRICT;
INSERT INTO revision (singleton, revision) VALUES (1, 0);

CREATE TABLE change (
    revision INTEGER NOT NULL PRIMARY KEY,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    user_id  INTEGER,
    subject  INTEGER
) STRICT;
CREATE INDEX change_at ON change (at);

-- Nodes that answer from memory, and until when by this database's clock. One node alone needs none.
CREATE TABLE node (
    id           INTEGER NOT NULL PRIMARY KEY,
    applied      INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    started_at   INTEGER NOT NULL
) STRICT;

-- Reminders of a token's death: each day's once.
CREATE TABLE reminder (
    token_id INTEGER NOT NULL REFERENCES token (id),
    days     INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (token_id, days)
) STRICT;

-- The weeks of which administrators have got the digest.
CREATE TABLE weekly_digest (
    week INTEGER NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;

-- What looks as if a token were shared. One that was marked as a false alarm is remembered and not raised again.
CREATE TABLE sharing_signal (
    id             INTEGER NOT NULL PRIMARY KEY,
    token_id       INTEGER NOT NULL REFERENCES token (id),
    user_id        INTEGER NOT NULL REFERENCES user_account (id),
    rule           TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    evidence       TEXT    NOT NULL,
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    told_at        INTEGER,
    -- What the device type said happens to such tokens when the owner was told.
    told_under     TEXT,
    false_alarm_at INTEGER,
    false_alarm_by TEXT
) STRICT;
CREATE UNIQUE INDEX sharing_signal_once ON sharing_signal (user_id, rule, subject);
CREATE INDEX sharing_signal_of_token ON sharing_signal (token_id);

-- Tokens that somebody found where they should not be.
CREATE TABLE leak (
    id       INTEGER NOT NULL PRIMARY KEY,
    token_id INTEGER NOT NULL REFERENCES token (id),
    found_at TEXT    NOT NULL,
    reporter TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX leak_once ON leak (token_id, found_at);

-- Resets of all users of a profile: how far each has come.
CREATE TABLE bulk_reset (
    id          INTEGER NOT NULL PRIMARY KEY,
    profile_id  INTEGER NOT NULL REFERENCES profile (id),
    device_type TEXT    NOT NULL,
    scope       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    position    INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    passed_over INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;

-- The key that a user's mail with a token is encrypted to (OpenPGP, RFC 9580).
CREATE TABLE openpgp_key (
    user_id     INTEGER NOT NULL PRIMARY KEY REFERENCES user_account (id),
    fingerprint TEXT NOT NULL,
    certificate BLOB NOT NULL,
    expires_at  INTEGER,
    origin      TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
