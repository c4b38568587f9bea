//! Our identifiers in Salesforce's two lengths.

use symbolon_core::id::{Id, Kind, User};
use symbolon_wire::salesforce_id;

/// The form of 18 characters, as in every XML and JSON member.
pub(super) fn long<K: Kind>(id: Id<K>) -> String {
    salesforce_id::with_checksum(&id.to_string())
}

/// The user that a text of 15 or 18 characters names.
pub(super) fn user_of(text: &str) -> Option<Id<User>> {
    match salesforce_id::parse(text) {
        Ok((salesforce_id::USER, number)) => i64::try_from(number).ok().map(Id::from_raw),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::id::Organization;

    use super::*;

    #[test]
    fn both_lengths_name_the_same_user_and_other_kinds_name_none() {
        let user = Id::<User>::from_raw(1_234_567_890_123);

        assert_eq!(user_of(&user.to_string()), Some(user));
        assert_eq!(user_of(&long(user)), Some(user));
        assert_eq!(user_of(&long(Id::<Organization>::from_raw(1))), None);
        assert_eq!(user_of("me"), None);
    }
}
