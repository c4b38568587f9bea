//! What was just done, told on the page that a write leads to.
//!
//! The address carries a word of this list and never a text, so nobody can put words into our mouth.

/// Something that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Activated,
    AddressAsked,
    AuthenticatorAdded,
    BearerSwitchedOff,
    BearerSwitchedOn,
    ChallengeOver,
    ClientRemoved,
    ClientSecretRemoved,
    DeliveryChanged,
    DeviceTypeAdded,
    DeviceTypeSaved,
    FalseAlarmMarked,
    MailRetried,
    NameChanged,
    NetworkAdded,
    NetworkRemoved,
    OpenpgpKeyChanged,
    OpenpgpKeyFound,
    PasskeyAdded,
    PasswordChanged,
    PlaceEnded,
    PlacesEnded,
    ProfileAdded,
    ProfileChanged,
    ProfileSaved,
    Recovered,
    RotationCancelled,
    SecondFactorRemoved,
    SecondFactorRenamed,
    SecondFactorsReset,
    SessionEnded,
    SessionsEnded,
    TokenReset,
    TokenRevoked,
    TokensUnfrozen,
    UserAdded,
    UserFrozen,
    UserRemoved,
    UserSessionsEnded,
    UserTokensUnfrozen,
    UserUnfrozen,
    UserKeyRemoved,
    UserUnlocked,
}

const ALL: [(Done, &str, &str); 43] = [
    (
        Done::Activated,
        "activated",
        "Your account is ready. Log in with the password that you chose.",
    ),
    (
        Done::AddressAsked,
        "address-asked",
        "We have written to both addresses. The change takes effect when both have confirmed it.",
    ),
    (
        Done::AuthenticatorAdded,
        "authenticator-added",
        "Your authenticator app was added. Your recovery codes are those that you have.",
    ),
    (
        Done::BearerSwitchedOff,
        "bearer-off",
        "Bearer use was switched off. A token of that device type is one half again: it needs the password \
         beside it.",
    ),
    (
        Done::BearerSwitchedOn,
        "bearer-on",
        "Bearer use was switched on. A token of that device type is a whole credential now, also those \
         that are out already.",
    ),
    (
        Done::ChallengeOver,
        "challenge-over",
        "That log-in is over: it was tried too often, took too long, or was ended. Log in again.",
    ),
    (
        Done::ClientRemoved,
        "client-removed",
        "The API client was removed. Its secrets are worth nothing now.",
    ),
    (
        Done::ClientSecretRemoved,
        "client-secret-removed",
        "The secret was removed. Whoever still uses it is refused.",
    ),
    (
        Done::DeliveryChanged,
        "delivery-changed",
        "The delivery contact was changed. Whoever is concerned has been told by mail. If there is an OpenPGP \
         key, mail with a token stays encrypted to it: replace or remove it if the new reader has another one.",
    ),
    (Done::DeviceTypeAdded, "device-type-added", "The device type was added."),
    (
        Done::DeviceTypeSaved,
        "device-type-saved",
        "The device type was saved. It holds from now on, also for tokens that are out already; but for their \
         age, which is decided when each is issued.",
    ),
    (
        Done::FalseAlarmMarked,
        "false-alarm-marked",
        "The signal is marked as a false alarm. The same is not raised again.",
    ),
    (Done::MailRetried, "mail-retried", "Waiting mail is being tried again now."),
    (Done::NameChanged, "name-changed", "Your name was changed."),
    (Done::NetworkAdded, "network-added", "The trusted network was added."),
    (Done::NetworkRemoved, "network-removed", "The network is no longer trusted."),
    (
        Done::OpenpgpKeyChanged,
        "openpgp-key-changed",
        "The OpenPGP key was changed. It holds for mail with a token from now on.",
    ),
    (
        Done::OpenpgpKeyFound,
        "openpgp-key-found",
        "Your OpenPGP key was found and is used for mail with a token from now on. See that its fingerprint is that of \
         your key.",
    ),
    (
        Done::PasskeyAdded,
        "passkey-added",
        "Your passkey was added. Your recovery codes are those that you have.",
    ),
    (
        Done::PasswordChanged,
        "password-changed",
        "Your password was changed. Every other session of yours was ended.",
    ),
    (
        Done::PlaceEnded,
        "place-ended",
        "The place was ended, with the sessions that were opened from it.",
    ),
    (
        Done::PlacesEnded,
        "places-ended",
        "All other places were ended, with the sessions that were opened from them.",
    ),
    (Done::ProfileAdded, "profile-added", "The profile was added. Nobody is under it yet."),
    (Done::ProfileChanged, "profile-changed", "The user is under another profile now."),
    (Done::ProfileSaved, "profile-saved", "The profile was saved. It holds from now on."),
    (
        Done::Recovered,
        "recovered",
        "Your password was changed. Every security token of yours was retired and every session ended: \
         log in and reset your security token.",
    ),
    (
        Done::RotationCancelled,
        "rotation-cancelled",
        "The rotation was cancelled: the new token has ended, the old one goes on as before.",
    ),
    (
        Done::SecondFactorRemoved,
        "second-factor-removed",
        "The second factor was removed. Nothing of it is accepted any more.",
    ),
    (Done::SecondFactorRenamed, "second-factor-renamed", "The second factor has its new name."),
    (
        Done::SecondFactorsReset,
        "second-factors-reset",
        "All second factors of the user were removed. The user is told by mail and can enroll new ones.",
    ),
    (Done::SessionEnded, "session-ended", "The session was ended."),
    (Done::SessionsEnded, "sessions-ended", "All your other sessions were ended. This one stays."),
    (
        Done::TokenReset,
        "token-reset",
        "The security token was reset. The new one is on its way to its owner by mail; nobody else sees it.",
    ),
    (
        Done::TokenRevoked,
        "token-revoked",
        "The security token was revoked. Nothing accepts it any more.",
    ),
    (Done::TokensUnfrozen, "tokens-unfrozen", "Your security tokens are accepted again."),
    (Done::UserAdded, "user-added", "The user was added. The invitation is on its way by mail."),
    (Done::UserFrozen, "user-frozen", "The user was frozen and every session of theirs ended."),
    (
        Done::UserRemoved,
        "user-removed",
        "The user was removed, with every token, session and link.",
    ),
    (
        Done::UserSessionsEnded,
        "user-sessions-ended",
        "Every session of the user was ended. The user may log in again.",
    ),
    (Done::UserUnfrozen, "user-unfrozen", "The user may log in again."),
    (
        Done::UserTokensUnfrozen,
        "user-tokens-unfrozen",
        "The freeze was lifted: the user’s tokens are accepted again. The user is told by mail.",
    ),
    (Done::UserUnlocked, "user-unlocked", "The lockout was lifted."),
    (
        Done::UserKeyRemoved,
        "user-key-removed",
        "The OpenPGP key was removed: mail with a token is not encrypted now.",
    ),
];

impl Done {
    /// The address of `path` with this told on it.
    pub(crate) fn at(self, path: &str) -> String {
        let word = ALL.iter().find(|(done, ..)| *done == self).map_or("", |(_, word, _)| word);
        format!("{path}?done={word}")
    }

    /// The text of a word in an address; `None` for words that are none of ours.
    pub(crate) fn text_of_word(word: &str) -> Option<&'static str> {
        ALL.iter().find(|(_, known, _)| *known == word).map(|(.., text)| *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_leads_to_its_own_text_and_foreign_words_to_none() {
        for (done, word, text) in ALL {
            assert_eq!(done.at("/x"), format!("/x?done={word}"));
            assert_eq!(Done::text_of_word(word), Some(text));
        }
        assert_eq!(Done::text_of_word("call-this-number"), None);
    }
}
