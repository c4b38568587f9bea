-- Times are milliseconds since the Unix epoch; what may be unset says so by NULL; identifiers are ours.

CREATE TABLE organization (
    singleton       BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id              BIGINT NOT NULL,
    key_fingerprint BYTEA    NOT NULL,
    created_at      BIGINT NOT NULL
);

CREATE TABLE profile (
    id                 BIGINT NOT NULL PRIMARY KEY,
    name               TEXT    NOT NULL UNIQUE,
    token_max_age      BIGINT NOT NULL,
    lockout_failures   BIGINT NOT NULL,
    lockout_period     BIGINT NOT NULL,
    session_idle       BIGINT NOT NULL,
    on_reset           TEXT    NOT NULL,
    on_password_change TEXT    NOT NULL,
    mail_encryption    TEXT    NOT NULL,
    web_lifetime       BIGINT NOT NULL,
    access             TEXT    NOT NULL,
    duty               TEXT    NOT NULL,
    duty_since         BIGINT,
    api_duty_since     BIGINT,
    enrol_grace        BIGINT NOT NULL,
    login_hours        TEXT    NOT NULL,
    time_zone          TEXT    NOT NULL,
    login_ranges       TEXT    NOT NULL,
    password_length    BIGINT NOT NULL,
    password_kinds     BIGINT NOT NULL,
    password_history   BIGINT NOT NULL,
    password_max_age   BIGINT,
    -- The one that holds for everybody beside his own.
    everybody_since    BIGINT UNIQUE,
    created_at         BIGINT NOT NULL
);

CREATE TABLE user_account (
    id                  BIGINT NOT NULL PRIMARY KEY,
    username            TEXT    NOT NULL,
    username_key        TEXT    NOT NULL,
    email               TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    profile_id          BIGINT NOT NULL REFERENCES profile (id),
    profile_since       BIGINT NOT NULL,
    -- Where mail with a token goes instead, for users who read none.
    delivery_email      TEXT,
    admin_since         BIGINT,
    password_hash       TEXT,
    password_key        BIGINT,
    password_changed_at BIGINT,
    password_expired_at BIGINT,
    epoch               BIGINT NOT NULL,
    frozen_at           BIGINT,
    tokens_frozen_at    BIGINT,
    -- Who froze them: owner or sharing.
    tokens_frozen_by    TEXT,
    -- When such a freeze was last lifted: uses before it no longer look shared.
    tokens_unfrozen_at  BIGINT,
    removed_at          BIGINT,
    failures            BIGINT NOT NULL,
    last_failure_at     BIGINT,
    locked_until        BIGINT,
    code_failures       BIGINT NOT NULL DEFAULT 0,
    last_code_failure_at BIGINT,
    code_locked_until   BIGINT,
    last_login_at       BIGINT,
    created_at          BIGINT NOT NULL
);
CREATE UNIQUE INDEX user_account_name ON user_account (username_key) WHERE removed_at IS NULL;
CREATE INDEX user_account_email ON user_account (email);

-- Passwords that were replaced, the latest with the highest number: they may not come again.
CREATE TABLE password_history (
    user_id       BIGINT  NOT NULL REFERENCES user_account (id),
    number        BIGINT  NOT NULL,
    password_hash TEXT    NOT NULL,
    password_key  BIGINT  NOT NULL,
    replaced_at   BIGINT  NOT NULL,
    PRIMARY KEY (user_id, number)
);

CREATE TABLE device_type (
    id           BIGINT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    bearer_since BIGINT,
    max_age      BIGINT NOT NULL,
    reminders    TEXT NOT NULL,
    -- Ranges from where its tokens may be used; empty: from anywhere.
    addresses    TEXT NOT NULL,
    idle_end     BIGINT,
    overlap      TEXT NOT NULL,
    -- Numbers of the profiles whose users may hold one; empty: everybody.
    holders      TEXT NOT NULL,
    client_kind  TEXT,
    mismatch     TEXT NOT NULL,
    most_places  BIGINT NOT NULL,
    on_sharing   TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE TABLE token (
    id            BIGINT NOT NULL PRIMARY KEY,
    user_id       BIGINT NOT NULL REFERENCES user_account (id),
    device_type   TEXT    NOT NULL,
    digest        BYTEA    NOT NULL,
    issued_at     BIGINT NOT NULL,
    -- How it came to be. Who wanted it is its owner or an administrator; without one, whoever runs the server.
    issued_as     TEXT    NOT NULL,
    issued_scope  TEXT    NOT NULL,
    issuer_id     BIGINT REFERENCES user_account (id),
    issued_from   TEXT,
    -- When the mail server took the letter that carries it: before that its owner cannot have it.
    mailed_at     BIGINT,
    expires_at    BIGINT NOT NULL,
    -- While a rotation is under way: the token that comes in its place, and when it would have expired without.
    succeeded_by  BIGINT,
    expiry_before BIGINT,
    -- Where it was retired as its rotation was cancelled: the token that goes on.
    cancelled_for BIGINT,
    retired_at    BIGINT,
    retired_cause TEXT,
    retired_by    TEXT,
    last_used_at  BIGINT
);
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
    user_id     BIGINT NOT NULL REFERENCES user_account (id),
    request_key TEXT    NOT NULL,
    -- What was asked for: the same key for anything else is refused.
    request     TEXT    NOT NULL,
    token_id    BIGINT NOT NULL REFERENCES token (id),
    at          BIGINT NOT NULL,
    PRIMARY KEY (user_id, request_key)
);

CREATE TABLE retired_use (
    token_id  BIGINT NOT NULL REFERENCES token (id),
    source    TEXT    NOT NULL,
    client    TEXT    NOT NULL,
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    times     BIGINT NOT NULL,
    warned_at BIGINT,
    PRIMARY KEY (token_id, source, client)
);

-- Who uses a live credential (a token or a session): the distinct pairs of client and network.
CREATE TABLE credential_use (
    credential BIGINT NOT NULL,
    network    TEXT NOT NULL,
    client     TEXT NOT NULL,
    source     TEXT NOT NULL,
    head       TEXT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    times      BIGINT NOT NULL,
    PRIMARY KEY (credential, network, client)
);
CREATE INDEX credential_use_last ON credential_use (credential, last_at);
CREATE INDEX credential_use_at ON credential_use (last_at);

-- Where a user has proved himself: a browser that holds a secret, or a client in a network at an API.
CREATE TABLE place (
    id                   BIGINT NOT NULL PRIMARY KEY,
    user_id              BIGINT NOT NULL REFERENCES user_account (id),
    kind                 TEXT    NOT NULL,
    digest               BYTEA,
    client               TEXT    NOT NULL,
    network              TEXT    NOT NULL,
    source               TEXT    NOT NULL,
    first_at             BIGINT NOT NULL,
    last_at              BIGINT NOT NULL,
    failures             BIGINT NOT NULL,
    last_failure_at      BIGINT,
    locked_until         BIGINT,
    code_failures        BIGINT NOT NULL,
    last_code_failure_at BIGINT,
    code_locked_until    BIGINT,
    link_opened_at       BIGINT,
    ended_at             BIGINT
);
CREATE UNIQUE INDEX place_digest ON place (digest);
CREATE UNIQUE INDEX place_of_api ON place (user_id, client, network) WHERE digest IS NULL;
CREATE INDEX place_of_user ON place (user_id, last_at);
CREATE INDEX place_last ON place (last_at);

CREATE TABLE session (
    id           BIGINT NOT NULL PRIMARY KEY,
    digest       BYTEA    NOT NULL,
    kind         TEXT    NOT NULL,
    user_id      BIGINT NOT NULL REFERENCES user_account (id),
    token_id     BIGINT REFERENCES token (id),
    device_type  TEXT,
    client_id    BIGINT,
    head         TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    proof        TEXT,
    proved_at    BIGINT,
    place_id     BIGINT,
    restriction  TEXT,
    started_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    ended_at     BIGINT,
    ended_cause  TEXT
);
CREATE UNIQUE INDEX session_digest ON session (digest);
CREATE INDEX session_of_user ON session (user_id, ended_at);
CREATE INDEX session_live_of_token ON session (token_id) WHERE ended_at IS NULL;
CREATE INDEX session_live_of_place ON session (place_id) WHERE ended_at IS NULL;
CREATE INDEX session_idle ON session (last_used_at);

-- What somebody has begun and must still prove: a login after the password, an enrolment, a step-up.
CREATE TABLE challenge (
    id          BIGINT NOT NULL PRIMARY KEY,
    purpose     TEXT    NOT NULL,
    digest      BYTEA    NOT NULL,
    user_id     BIGINT REFERENCES user_account (id),
    session_id  BIGINT,
    epoch       BIGINT,
    place_id    BIGINT,
    code_digest BYTEA,
    letter_id   BIGINT,
    letters     BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    state       BYTEA,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    ended_at    BIGINT
);
CREATE UNIQUE INDEX challenge_digest ON challenge (digest);
CREATE INDEX challenge_of_user ON challenge (user_id, purpose, created_at);
CREATE INDEX challenge_expiry ON challenge (expires_at);

-- Authenticator apps. `secret` is sealed under the key `key_id`; `last_step` is the last time step of which a
-- code was taken: no step counts twice, on whichever node.
CREATE TABLE authenticator (
    id           BIGINT NOT NULL PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES user_account (id),
    name         TEXT NOT NULL,
    secret       BYTEA NOT NULL,
    key_id       BIGINT NOT NULL,
    last_step    BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX authenticator_user ON authenticator (user_id);
CREATE INDEX authenticator_sealed ON authenticator (key_id);

CREATE TABLE recovery_code (
    id         BIGINT NOT NULL PRIMARY KEY,
    user_id    BIGINT NOT NULL REFERENCES user_account (id),
    digest     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE UNIQUE INDEX recovery_code_digest ON recovery_code (user_id, digest);

-- Passkeys (WebAuthn). `credential` is the identifier that the device gave it, `record` what never changes
-- (the public key), `state` what each use may change (the counter).
CREATE TABLE passkey (
    id           BIGINT NOT NULL PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES user_account (id),
    name         TEXT NOT NULL,
    credential   BYTEA NOT NULL,
    transports   BIGINT NOT NULL,
    record       BYTEA NOT NULL,
    state        BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE UNIQUE INDEX passkey_credential ON passkey (credential);
CREATE INDEX passkey_user ON passkey (user_id);

CREATE TABLE address_change (
    id               BIGINT NOT NULL PRIMARY KEY,
    user_id          BIGINT NOT NULL REFERENCES user_account (id),
    new_email        TEXT    NOT NULL,
    old_confirmed_at BIGINT,
    new_confirmed_at BIGINT,
    created_at       BIGINT NOT NULL,
    ended_at         BIGINT
);
CREATE INDEX address_change_user ON address_change (user_id);

CREATE TABLE link (
    id         BIGINT NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    digest     BYTEA    NOT NULL,
    user_id    BIGINT REFERENCES user_account (id),
    subject    BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE UNIQUE INDEX link_digest ON link (digest);
CREATE INDEX link_live_of_user ON link (user_id, kind) WHERE used_at IS NULL;

CREATE TABLE letter (
    id           BIGINT NOT NULL PRIMARY KEY,
    user_id      BIGINT NOT NULL REFERENCES user_account (id),
    kind         TEXT    NOT NULL,
    to_address   TEXT    NOT NULL,
    to_name      TEXT    NOT NULL,
    facts        TEXT    NOT NULL,
    network      TEXT,
    token_id     BIGINT REFERENCES token (id),
    key_id       BIGINT,
    nonce        BYTEA,
    -- How urgent it is: 0 somebody waits for it, 1 a notice, 2 one of very many, 3 nobody waits for it.
    rank         BIGINT NOT NULL,
    state        TEXT    NOT NULL,
    attempts     BIGINT NOT NULL,
    next_try_at  BIGINT NOT NULL,
    lease        BIGINT,
    leased_until BIGINT,
    last_reply   TEXT,
    created_at   BIGINT NOT NULL,
    ended_at     BIGINT
);
CREATE INDEX letter_due ON letter (rank, next_try_at) WHERE ended_at IS NULL;
CREATE INDEX letter_created ON letter (created_at, id);
CREATE INDEX letter_ended ON letter (ended_at);
CREATE INDEX letter_token ON letter (token_id);
CREATE INDEX letter_user ON letter (user_id, created_at);

CREATE TABLE login (
    id             BIGINT NOT NULL PRIMARY KEY,
    at             BIGINT NOT NULL,
    user_id        BIGINT,
    username       TEXT    NOT NULL,
    head           TEXT    NOT NULL,
    client         TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    -- What the guard against floods counts the source under.
    network        TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    correlation_id TEXT    NOT NULL,
    token_id       BIGINT,
    chain          TEXT    NOT NULL
);
CREATE INDEX login_user ON login (user_id, at);
CREATE INDEX login_at ON login (at);
CREATE INDEX login_network ON login (network, at);
CREATE INDEX login_correlation ON login (correlation_id);

-- One row for each instant at which a name failed: of any period all failures are known, and no more than the
-- limit are written down within it.
CREATE TABLE source_failure (
    source       TEXT    NOT NULL,
    at           BIGINT NOT NULL,
    username_key TEXT    NOT NULL,
    failures     BIGINT NOT NULL,
    PRIMARY KEY (source, at, username_key)
);
CREATE INDEX source_failure_at ON source_failure (at);

CREATE TABLE network (
    id         BIGINT NOT NULL PRIMARY KEY,
    range      TEXT    NOT NULL UNIQUE,
    label      TEXT    NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE client (
    id                   BIGINT NOT NULL PRIMARY KEY,
    name                 TEXT    NOT NULL,
    password_grant_since BIGINT,
    created_at           BIGINT NOT NULL,
    removed_at           BIGINT
);

-- Several for each client, so that a new secret can be rolled out before the old one ends.
CREATE TABLE client_secret (
    id         BIGINT NOT NULL PRIMARY KEY,
    client_id  BIGINT NOT NULL REFERENCES client (id),
    digest     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);
CREATE INDEX client_secret_live ON client_secret (client_id) WHERE removed_at IS NULL;

CREATE TABLE audit (
    number  BIGINT NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    details TEXT    NOT NULL,
    hash    BYTEA    NOT NULL
);

CREATE TABLE audit_head (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    number    BIGINT NOT NULL,
    hash      BYTEA    NOT NULL
);
INSERT INTO audit_head (singleton, number, hash)
VALUES (1, 0, decode('0000000000000000000000000000000000000000000000000000000000000000', 'hex'));

-- The next revision comes from this one row, so that revisions are dense and in commit order.
CREATE TABLE revision (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    revision  BIGINT NOT NULL
);
INSERT INTO revision (singleton, revision) VALUES (1, 0);

CREATE TABLE change (
    revision BIGINT NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    kind     TEXT    NOT NULL,
    user_id  BIGINT,
    subject  BIGINT
);
CREATE INDEX change_at ON change (at);

-- Nodes that answer from memory, and until when by this database's clock. One node alone needs none.
CREATE TABLE node (
    id           BIGINT NOT NULL PRIMARY KEY,
    applied      BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    started_at   BIGINT NOT NULL
);

-- Reminders of a token's death: each day's once.
CREATE TABLE reminder (
    token_id BIGINT NOT NULL REFERENCES token (id),
    days     BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (token_id, days)
);

-- The weeks of which administrators have got the digest.
CREATE TABLE weekly_digest (
    week BIGINT NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL
);

-- What looks as if a token were shared. One that was marked as a false alarm is remembered and not raised again.
CREATE TABLE sharing_signal (
    id             BIGINT NOT NULL PRIMARY KEY,
    token_id       BIGINT NOT NULL REFERENCES token (id),
    user_id        BIGINT NOT NULL REFERENCES user_account (id),
    rule           TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    evidence       TEXT    NOT NULL,
    first_at       BIGINT NOT NULL,
    last_at        BIGINT NOT NULL,
    told_at        BIGINT,
    -- What the device type said happens to such tokens when the owner was told.
    told_under     TEXT,
    false_alarm_at BIGINT,
    false_alarm_by TEXT
);
CREATE UNIQUE INDEX sharing_signal_once ON sharing_signal (user_id, rule, subject);
CREATE INDEX sharing_signal_of_token ON sharing_signal (token_id);

-- Tokens that somebody found where they should not be.
CREATE TABLE leak (
    id       BIGINT NOT NULL PRIMARY KEY,
    token_id BIGINT NOT NULL REFERENCES token (id),
    found_at TEXT    NOT NULL,
    reporter TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX leak_once ON leak (token_id, found_at);

-- Resets of all users of a profile: how far each has come.
CREATE TABLE bulk_reset (
    id          BIGINT NOT NULL PRIMARY KEY,
    profile_id  BIGINT NOT NULL REFERENCES profile (id),
    device_type TEXT    NOT NULL,
    scope       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    position    BIGINT NOT NULL,
    total       BIGINT NOT NULL,
    done        BIGINT NOT NULL,
    passed_over BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT
);

-- The key that a user's mail with a token is encrypted to (OpenPGP, RFC 9580).
CREATE TABLE openpgp_key (
    user_id     BIGINT NOT NULL PRIMARY KEY REFERENCES user_account (id),
    fingerprint TEXT NOT NULL,
    certificate BYTEA NOT NULL,
    expires_at  BIGINT,
    origin      TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
