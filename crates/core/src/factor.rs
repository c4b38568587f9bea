//! How somebody proves who he is, beside or in place of the password.

use crate::words::{of_word, word_of};

/// One way of proving oneself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Factor {
    /// The password, where it is asked for once more.
    Password,
    /// A code of an authenticator app (RFC 6238).
    Authenticator,
    /// A passkey (WebAuthn), its user verified by the device.
    Passkey,
    /// One of ten codes that were written down at enrolment.
    RecoveryCode,
    /// A live security token of one's own, pasted.
    SecurityToken,
    /// A six-digit code that was mailed.
    MailedCode,
    /// A link that was mailed or printed, and opened.
    Link,
}

impl Factor {
    /// All factors, with the word that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Password, "password"),
        (Self::Authenticator, "authenticator"),
        (Self::Passkey, "passkey"),
        (Self::RecoveryCode, "recovery code"),
        (Self::SecurityToken, "security token"),
        (Self::MailedCode, "mailed code"),
        (Self::Link, "link"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The factor with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }

    /// Whether it is a second factor. What comes by mail is none (NIST SP 800-63B-4 §3.1.3.1), and the
    /// security token came by mail.
    pub const fn is_second(self) -> bool {
        match self {
            Self::Authenticator | Self::Passkey | Self::RecoveryCode => true,
            Self::Password | Self::SecurityToken | Self::MailedCode | Self::Link => false,
        }
    }
}

/// Which second factors a user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactorKinds {
    /// An authenticator app.
    pub authenticator: bool,
    /// A passkey.
    pub passkey: bool,
    /// A recovery code that is not used up.
    pub recovery_code: bool,
}

impl FactorKinds {
    /// None at all.
    pub const NONE: Self = Self { authenticator: false, passkey: false, recovery_code: false };

    /// Whether there is one that is meant for daily use; recovery codes alone are none.
    pub const fn any_real(self) -> bool {
        self.authenticator || self.passkey
    }
}
