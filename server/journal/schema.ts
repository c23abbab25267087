/**
 * What is in the database file, as the statements that make it.
 *
 * The file knows how many of {@linkcode MIGRATIONS} it has been through. A new
 * version of the schema is one more at the end; those before it never change
 * once they were released, since files that have them exist.
 *
 * Times are in milliseconds since the epoch.
 *
 * @module
 */

/** Version n of the schema is what the first n of these make. */
export const MIGRATIONS: readonly string[] = [
  `
  -- A row for each batch: messages of one sender to one target, with ids that
  -- follow each other from first_id.
  CREATE TABLE messages (
    first_id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL,
    sender TEXT NOT NULL COLLATE NOCASE,
    target TEXT NOT NULL COLLATE NOCASE,
    declared_length INTEGER, -- NULL; once as a two-socket client gave it
    lengths BLOB, -- of the bodies, 32 bits each; NULL if there is only one
    bodies BLOB NOT NULL -- back to back
  ) STRICT;
  CREATE INDEX messages_by_target ON messages (target); -- and first_id

  -- The newest id there was when messages were last deleted: all may be gone.
  CREATE TABLE last_id (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id INTEGER NOT NULL
  ) STRICT;

  -- What makes a SEND safe to repeat.
  CREATE TABLE keys (
    id INTEGER PRIMARY KEY, -- of the message
    at INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE
  ) STRICT;

  -- Resumable sessions.
  CREATE TABLE visits (
    key TEXT PRIMARY KEY, -- the user's name in lower case
    token TEXT NOT NULL,
    since INTEGER NOT NULL, -- the newest message when the session began
    rooms TEXT NOT NULL -- JSON: pairs of a name, and the newest message then
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE accounts (
    key TEXT PRIMARY KEY, -- the name in lower case
    look_alike TEXT NOT NULL UNIQUE, -- the name as it looks at a glance
    name TEXT NOT NULL, -- as it is shown
    verifier TEXT NOT NULL, -- for SCRAM
    created_at INTEGER NOT NULL,
    since INTEGER NOT NULL, -- the newest message when the name became its own
    seen INTEGER NOT NULL, -- the newest message that has surely arrived
    key_scope TEXT NOT NULL -- what stands before the keys of its messages
  ) STRICT, WITHOUT ROWID;
  -- What logins to accounts that do not exist are made up from.
  CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO secrets VALUES ('accounts', randomblob(32));
  CREATE TABLE lockouts (
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    failures INTEGER NOT NULL, -- wrong passwords in a row
    at INTEGER NOT NULL, -- when the last one was
    PRIMARY KEY (account, address)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE bans (
    kind TEXT NOT NULL CHECK (kind IN ('name', 'address')),
    value TEXT NOT NULL,
    since INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, value)
  ) STRICT, WITHOUT ROWID;
  `,
  "DROP TABLE secrets;",
  `
  CREATE TABLE journal (
    id TEXT NOT NULL -- a random word: other files have other messages
  ) STRICT;
  INSERT INTO journal VALUES (lower(hex(randomblob(16))));
  `,
  "ALTER TABLE bans ADD COLUMN until INTEGER; -- NULL: until it is removed",
  `
  -- What is known of rooms with history. One without a row is of no address.
  CREATE TABLE rooms (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    network TEXT NOT NULL, -- of the user who created it; empty: of no address
    shared INTEGER NOT NULL DEFAULT 0, -- 1: users of other addresses joined it
    forgotten INTEGER NOT NULL DEFAULT 0 -- messages up to this id do not count
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE accounts ADD COLUMN network TEXT NOT NULL DEFAULT ''; -- it signed up from
  ALTER TABLE accounts ADD COLUMN used INTEGER NOT NULL DEFAULT 1; -- 0: not after its first day
  `,
  "ALTER TABLE visits ADD COLUMN network TEXT NOT NULL DEFAULT ''; -- its client's",
  `
  CREATE TABLE mutes (
    kind TEXT NOT NULL CHECK (kind IN ('name', 'address')),
    value TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER, -- NULL: until it is removed
    places TEXT NOT NULL, -- JSON: pairs of a network of the name, and since when
    allowed TEXT NOT NULL, -- JSON: names that may send, as they look
    PRIMARY KEY (kind, value)
  ) STRICT, WITHOUT ROWID;
  `,
  "ALTER TABLE visits ADD COLUMN secure INTEGER NOT NULL DEFAULT 0; -- 1: its token went over TLS alone",
  `
  -- Which log of a cluster is applied, and how far; empty without --nats.
  CREATE TABLE cluster (
    mark TEXT NOT NULL, -- of the stream
    sequence INTEGER NOT NULL, -- of the newest message that is applied
    hash TEXT NOT NULL, -- of all messages up to it
    before TEXT NOT NULL -- of all but that one
  ) STRICT;
  -- The last life of each server.
  CREATE TABLE epochs (
    server TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    counter INTEGER NOT NULL, -- how many times it has appended
    open INTEGER NOT NULL -- 0: it was taken for gone
  ) STRICT, WITHOUT ROWID;
  -- Which server has the user of a name.
  CREATE TABLE claims (
    look_alike TEXT PRIMARY KEY, -- the name as it looks at a glance
    name TEXT NOT NULL,
    server TEXT NOT NULL,
    epoch TEXT NOT NULL,
    id INTEGER NOT NULL -- of that server and epoch
  ) STRICT, WITHOUT ROWID;
  `,
  "CREATE INDEX accounts_by_network ON accounts (network, used); -- how many it has",
  "ALTER TABLE visits ADD COLUMN server TEXT NOT NULL DEFAULT ''; -- whose client has it",
  `
  CREATE TABLE moderators (
    account TEXT PRIMARY KEY, -- its key
    created_at INTEGER NOT NULL -- when the account was created
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER moderator_deleted AFTER DELETE ON accounts BEGIN
    DELETE FROM moderators WHERE account = old.key;
  END;
  `,
  `
  CREATE TABLE private_rooms (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    look_alike TEXT NOT NULL UNIQUE, -- the name as it looks at a glance
    owner TEXT NOT NULL, -- the key of an account
    network TEXT NOT NULL, -- of the user who created it
    request TEXT -- the key of the request that created it; may be NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE private_members (
    room TEXT NOT NULL COLLATE NOCASE,
    account TEXT NOT NULL, -- its key
    name TEXT NOT NULL, -- as it is shown
    number INTEGER NOT NULL, -- greater than those of earlier members
    invited_by TEXT NOT NULL, -- a name
    joined INTEGER NOT NULL, -- 0: only invited
    PRIMARY KEY (room, account)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX private_members_by_account ON private_members (account);
  -- A room passes to the member who is in it for longest, or ends with its last.
  CREATE TRIGGER private_member_deleted AFTER DELETE ON accounts BEGIN
    DELETE FROM private_members WHERE account = old.key;
    UPDATE private_rooms SET owner = ifnull((
      SELECT account FROM private_members WHERE room = private_rooms.name
      ORDER BY joined DESC, number LIMIT 1), '') WHERE owner = old.key;
    DELETE FROM private_rooms WHERE owner = '';
  END;
  `,
  `
  -- What two users sent to each other: no message to a room (#) is in it.
  CREATE INDEX messages_between ON messages (target, sender) -- and first_id
    WHERE unicode(target) <> 35 AND target <> 'ALL';
  `,
  `
  CREATE TABLE room_settings (
    look_alike TEXT PRIMARY KEY, -- the name of the room as it looks at a glance
    name TEXT NOT NULL,
    owner TEXT, -- the name of an account; NULL: none
    owner_since INTEGER, -- when that account was created
    quiet INTEGER NOT NULL, -- 1: only some users send
    voices TEXT NOT NULL, -- JSON: the others who send while it is quiet
    topic TEXT NOT NULL,
    at INTEGER NOT NULL -- when it last changed
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER room_owner_deleted AFTER DELETE ON accounts BEGIN
    UPDATE room_settings SET owner = NULL, owner_since = NULL
      WHERE lower(owner) = old.key;
  END;
  `,
  `
  ALTER TABLE accounts ADD COLUMN code TEXT; -- the hash of the code that its owner needs
  ALTER TABLE accounts ADD COLUMN code_until INTEGER; -- until when it is good
  `,
  `
  -- Which device of an account sent a batch; NULL of a guest. The other devices
  -- are sent it too, also those that come back later.
  ALTER TABLE messages ADD COLUMN device INTEGER;
  CREATE INDEX messages_of_devices ON messages (sender) WHERE device IS NOT NULL;

  -- A session is that of one device of a user.
  CREATE TABLE devices (
    key TEXT NOT NULL,
    device INTEGER NOT NULL, -- from 1; a guest has one
    token TEXT NOT NULL,
    since INTEGER NOT NULL,
    rooms TEXT NOT NULL,
    network TEXT NOT NULL,
    secure INTEGER NOT NULL,
    server TEXT NOT NULL,
    at INTEGER NOT NULL, -- when it began
    address TEXT NOT NULL, -- where its last client was
    client TEXT NOT NULL, -- the program, as it says
    PRIMARY KEY (key, device)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO devices
    SELECT key, 1, token, since, rooms, network, secure, server, 0, '', ''
    FROM visits;
  DROP TABLE visits;
  ALTER TABLE devices RENAME TO visits;

  -- Which servers have the devices of a name.
  CREATE TABLE holders (
    look_alike TEXT NOT NULL,
    name TEXT NOT NULL,
    server TEXT NOT NULL,
    epoch TEXT NOT NULL,
    id INTEGER NOT NULL,
    shared INTEGER NOT NULL, -- 1: of an account, which can have others
    PRIMARY KEY (look_alike, server, epoch, id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO holders SELECT *, 0 FROM claims;
  DROP TABLE claims;
  ALTER TABLE holders RENAME TO claims;

  -- How far the owner of an account has read each conversation.
  CREATE TABLE read_marks (
    account TEXT NOT NULL, -- its key
    target TEXT NOT NULL COLLATE NOCASE, -- a room, a user, or ALL
    id INTEGER NOT NULL, -- of the newest message
    PRIMARY KEY (account, target)
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER reader_deleted AFTER DELETE ON accounts BEGIN
    DELETE FROM read_marks WHERE account = old.key;
  END;
  `,
  `
  -- Display names; the owner of one may be gone.
  CREATE TABLE nicks (
    user TEXT PRIMARY KEY, -- the name in lower case
    owner TEXT NOT NULL, -- an account of that name, or a session
    nick TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE, -- the same for the same nickname of RFC 8266
    read TEXT NOT NULL, -- as a reader can read it
    shape TEXT NOT NULL -- the same for all that look alike
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX nicks_by_shape ON nicks (shape);
  `,
];
