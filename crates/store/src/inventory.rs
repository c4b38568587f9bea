//! Everybody's tokens, as administrators look through them: by state, device type, profile and owner.
//!
//! Whether a token has died of disuse hangs on its device type, so the state is decided here and not by
//! whoever reads the rows: a page would else be filled with what was not asked for.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile, Token};
use symbolon_core::names::DeviceType;
use symbolon_core::words::word_of;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row};
use crate::tokens::{self, TOKEN_COLUMNS, TokenRow, token_columns};

const LIST: &str = concat!(
    "SELECT ",
    token_columns!(),
    ", profile.name, user_account.removed_at,
        (SELECT MIN(older.id) FROM token AS older
         WHERE older.succeeded_by = token.id AND older.retired_at IS NULL)
     FROM token
     JOIN user_account ON user_account.id = token.user_id
     JOIN profile ON profile.id = user_account.profile_id
     LEFT JOIN user_account AS issuer ON issuer.id = token.issuer_id
     LEFT JOIN device_type ON device_type.name = token.device_type
     WHERE (token.issued_at, token.id) < ($1, $2)
       AND ($3 = '' OR $3 = CASE
           WHEN token.retired_at IS NOT NULL THEN 'retired'
           WHEN token.expires_at <= $4 THEN 'expired'
           WHEN COALESCE(token.last_used_at, token.issued_at) + device_type.idle_end <= $4
               THEN 'expired'
           WHEN user_account.frozen_at IS NOT NULL OR user_account.tokens_frozen_at IS NOT NULL
               THEN 'frozen'
           ELSE 'live' END)
       AND ($5 = '' OR token.device_type = $5)
       AND ($6 IS NULL OR user_account.profile_id = $6)
       AND substr(user_account.username_key, 1, length($7)) = $7
     ORDER BY token.issued_at DESC, token.id DESC LIMIT $8"
);

/// Whether a token is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It is.
    Live,
    /// It is not, until its owner or the owner's tokens are unfrozen.
    Frozen,
    /// It has become too old, or was not used for too long.
    Expired,
    /// It was reset or revoked.
    Retired,
}

impl TokenState {
    /// Every state, with its word.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Live, "live"),
        (Self::Frozen, "frozen"),
        (Self::Expired, "expired"),
        (Self::Retired, "retired"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// Whether it is over for good. What is frozen lives on when the freeze is lifted.
    pub const fn has_ended(self) -> bool {
        match self {
            Self::Live | Self::Frozen => false,
            Self::Expired | Self::Retired => true,
        }
    }
}

/// Which tokens are asked for; what is not said leaves all in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Those in this state.
    pub state: Option<TokenState>,
    /// Those of this device type.
    pub device_type: Option<DeviceType>,
    /// Those whose owner is under this profile.
    pub profile: Option<Id<Profile>>,
    /// Those whose owner's name begins so, in any case of its letters.
    pub username: String,
}

/// A token, with what administrators see of its owner.
#[derive(Debug, Clone)]
pub struct InventoryRow {
    /// The token.
    pub token: TokenRow,
    /// The name of its owner's profile.
    pub profile: String,
    /// When its owner was removed.
    pub owner_removed_at: Option<Timestamp>,
    /// While a rotation is under way: the token in whose place it comes.
    pub predecessor: Option<Id<Token>>,
}

/// Tokens older than the position `before` that `filter` leaves in at `now`, newest first.
pub async fn list(
    conn: &mut Conn,
    filter: &TokenFilter,
    now: Timestamp,
    before: (Timestamp, Id<Token>),
    limit: i64,
) -> Result<Vec<InventoryRow>, StoreError> {
    let args = args![
        before.0,
        before.1,
        filter.state.map_or("", TokenState::word),
        now,
        filter.device_type.as_ref().map_or("", DeviceType::as_str),
        filter.profile,
        filter.username.to_ascii_lowercase(),
        limit,
    ];
    conn.fetch_all(LIST, args).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<InventoryRow, StoreError> {
    Ok(InventoryRow {
        token: tokens::read(row)?,
        profile: row.text(TOKEN_COLUMNS)?,
        owner_removed_at: row.optional_at(TOKEN_COLUMNS + 1)?,
        predecessor: row.optional_id(TOKEN_COLUMNS + 2)?,
    })
}
