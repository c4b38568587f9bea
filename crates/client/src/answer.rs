//! What comes back: the members of RFC 7662 §2.2 and ours, read into types that cannot be made up.
//!
//! Unknown members are passed over, as the RFC demands. A member that is given twice, of the wrong
//! type or impossible makes the whole answer unusable: half an answer is none.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::Unreadable;

/// The authority's verdict on a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a verdict that nobody looks at lets everybody in"]
pub enum Verification {
    /// The credential is good, and this is whose it is.
    Active(Holder),
    /// It is not, for whatever reason: unknown, ended, expired, or its user may not use it. The owner
    /// finds the reason in the login history; strangers are not told.
    Inactive,
}

impl Verification {
    /// Whose the credential is, if it is good.
    #[must_use]
    pub fn holder(self) -> Option<Holder> {
        match self {
            Self::Active(holder) => Some(holder),
            Self::Inactive => None,
        }
    }
}

/// Whose a good credential is, and what is known of it. Only an answer of the authority makes one.
///
/// Instants are the authority's, in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The user's id. Never given to anyone else; the thing to key by.
    pub sub: String,
    /// The user's name, as it is now.
    pub username: String,
    /// What kind of thing holds the credential. A session that was opened without a security token,
    /// from a trusted network, is bound to none.
    pub device_type: Option<String>,
    /// The group policy that the user is under.
    pub profile: String,
    /// The API client that the credential was issued through, if it was one.
    pub client_id: Option<String>,
    /// When the credential was issued.
    pub issued_at: SystemTime,
    /// When the user last proved to be the user to get it.
    pub auth_time: SystemTime,
    /// The first instant at which the credential is no longer good, if one is known.
    pub expires_at: Option<SystemTime>,
    /// The revision of the state that the verdict comes from.
    pub revision: u64,
}

#[derive(Deserialize)]
struct Introspection {
    active: bool,
    sub: Option<String>,
    username: Option<String>,
    device_type: Option<String>,
    profile: Option<String>,
    client_id: Option<String>,
    iat: Option<u64>,
    auth_time: Option<u64>,
    exp: Option<u64>,
    revision: Option<u64>,
}

#[derive(Deserialize)]
struct Batch {
    revision: u64,
    results: Vec<Object<Introspection>>,
}

/// A `T` whose members have names: serde alone would also read it from a list.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Object)
    }
}

/// Reads the answer about one credential.
///
/// An inactive one says nothing more, not even of which state it speaks.
pub(crate) fn read_one(json: &[u8], at_least: Option<u64>) -> Result<Verification, Unreadable> {
    verdict(read(json)?, None, at_least)
}

/// Reads the answer about `asked` credentials, in their order.
pub(crate) fn read_many(
    json: &[u8],
    asked: usize,
    at_least: Option<u64>,
) -> Result<Vec<Verification>, Unreadable> {
    let answer: Batch = read(json)?;
    let answered = answer.results.len();
    // With one verdict too few or too many nobody could say which belongs to which credential.
    if answered != asked {
        return Err(Unreadable::Count { asked, answered });
    }
    new_enough(answer.revision, at_least)?;
    let of_batch = Some(answer.revision);
    answer.results.into_iter().map(|Object(each)| verdict(each, of_batch, at_least)).collect()
}

fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Unreadable> {
    // What serde says of a fault quotes the answer, so none of it leaves here.
    let Object(answer) = serde_json::from_slice(json).map_err(|_| Unreadable::Malformed)?;
    Ok(answer)
}

fn verdict(
    answer: Introspection,
    of_batch: Option<u64>,
    at_least: Option<u64>,
) -> Result<Verification, Unreadable> {
    if !answer.active {
        return Ok(Verification::Inactive);
    }
    let revision = answer.revision.or(of_batch).ok_or(Unreadable::Member("revision"))?;
    new_enough(revision, at_least)?;
    Ok(Verification::Active(Holder {
        sub: named(answer.sub, "sub")?,
        username: named(answer.username, "username")?,
        device_type: answer.device_type,
        profile: named(answer.profile, "profile")?,
        client_id: answer.client_id,
        issued_at: instant(answer.iat, "iat")?,
        auth_time: instant(answer.auth_time, "auth_time")?,
        expires_at: answer.exp.map(|exp| instant(Some(exp), "exp")).transpose()?,
        revision,
    }))
}

/// The authority answers from a state that is new enough, or not at all. Something else between it
/// and us might not: a cache, or a server that is too old to know the demand.
fn new_enough(answered: u64, at_least: Option<u64>) -> Result<(), Unreadable> {
    match at_least {
        Some(demanded) if answered < demanded => Err(Unreadable::Stale { demanded, answered }),
        Some(_) | None => Ok(()),
    }
}

/// A good credential is always somebody's.
fn named(text: Option<String>, member: &'static str) -> Result<String, Unreadable> {
    text.filter(|text| !text.is_empty()).ok_or(Unreadable::Member(member))
}

fn instant(seconds: Option<u64>, member: &'static str) -> Result<SystemTime, Unreadable> {
    let since = Duration::from_secs(seconds.ok_or(Unreadable::Member(member))?);
    SystemTime::UNIX_EPOCH.checked_add(since).ok_or(Unreadable::Member(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"active":true,"sub":"005x","username":"ada","token_type":"Bearer",
        "device_type":"server","profile":"Standard","client_id":"c","iat":1800000000,
        "auth_time":1799999999,"exp":1800007200,"revision":42,"new":{"member":[1]}}"#;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn one(json: &str) -> Result<Verification, Unreadable> {
        read_one(json.as_bytes(), None)
    }

    #[test]
    fn every_member_is_read_and_unknown_ones_are_passed_over() {
        let holder = one(FULL).unwrap().holder().unwrap();

        assert_eq!((holder.sub.as_str(), holder.username.as_str()), ("005x", "ada"));
        assert_eq!(holder.device_type.as_deref(), Some("server"));
        assert_eq!(holder.profile, "Standard");
        assert_eq!(holder.client_id.as_deref(), Some("c"));
        assert_eq!((holder.issued_at, holder.auth_time), (at(1_800_000_000), at(1_799_999_999)));
        assert_eq!(holder.expires_at, Some(at(1_800_007_200)));
        assert_eq!(holder.revision, 42);
    }

    #[test]
    fn what_may_be_unknown_may_be_left_out() {
        let json = r#"{"active":true,"sub":"005x","username":"ada","profile":"P","iat":1,
            "auth_time":1,"device_type":null,"revision":1}"#;

        let holder = one(json).unwrap().holder().unwrap();

        assert_eq!((holder.device_type, holder.client_id, holder.expires_at), (None, None, None));
    }

    #[test]
    fn a_member_that_must_be_there_and_is_not_makes_the_answer_unusable() {
        let members = [
            ("sub", r#""sub":"005x","#),
            ("username", r#""username":"ada","#),
            ("profile", r#""profile":"Standard","#),
            ("iat", r#""iat":1800000000,"#),
            ("auth_time", r#""auth_time":1799999999,"#),
            ("revision", r#""revision":42,"#),
        ];

        for (member, text) in members {
            assert!(FULL.contains(text), "{member}");
            assert_eq!(one(&FULL.replace(text, "")), Err(Unreadable::Member(member)));
        }
        let nobody = FULL.replace("005x", "");
        assert_eq!(one(&nobody), Err(Unreadable::Member("sub")));
        let never = FULL.replace("1800007200", "18446744073709551615");
        assert_eq!(one(&never), Err(Unreadable::Member("exp")));
        assert_eq!(one(r#"{"active":true}"#), Err(Unreadable::Member("revision")));
    }

    #[test]
    fn inactive_is_inactive_whatever_stands_beside_it() {
        for json in [r#"{"active":false}"#, &FULL.replace("true", "false")] {
            assert_eq!(one(json), Ok(Verification::Inactive));
        }
    }

    #[test]
    fn nothing_that_is_not_exactly_true_is_active() {
        let malformed = [
            "",
            "true",
            "null",
            "{}",
            "<html>active</html>",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            &FULL.replace("active", "Active"),
            &FULL.replace(r#""active":true"#, r#""active":false,"active":true"#),
            &FULL.replace(r#""active":true"#, r#""active":true,"active":true"#),
            &FULL[..FULL.len() - 1],
            &format!("{FULL}{{"),
            &format!("[{FULL}]"),
            r#"[true,"005x","ada",null,"P",null,1,1,null,42]"#,
            &FULL.replace(r#""005x""#, "5"),
            &FULL.replace("42", "-42"),
            &FULL.replace("1800007200", r#""soon""#),
        ];

        for json in malformed {
            assert_eq!(one(json), Err(Unreadable::Malformed), "{json}");
        }
    }

    #[test]
    fn a_verdict_from_an_older_state_than_demanded_is_none() {
        let batch = format!(r#"{{"revision":42,"results":[{FULL}]}}"#);
        let inactive = br#"{"revision":42,"results":[{"active":false}]}"#;
        let stale = Unreadable::Stale { demanded: 43, answered: 42 };

        assert!(read_one(FULL.as_bytes(), Some(42)).is_ok());
        assert_eq!(read_one(FULL.as_bytes(), Some(43)), Err(stale));
        assert!(read_many(batch.as_bytes(), 1, Some(42)).is_ok());
        assert_eq!(read_many(batch.as_bytes(), 1, Some(43)), Err(stale));
        assert_eq!(read_many(inactive, 1, Some(43)), Err(stale));
        let newer_outside =
            batch.replace(r#"{"revision":42,"results"#, r#"{"revision":43,"results"#);
        assert_eq!(read_many(newer_outside.as_bytes(), 1, Some(43)), Err(stale));
    }

    #[test]
    fn a_batch_has_one_verdict_for_each_credential_or_none_at_all() {
        let without = FULL.replace(r#""revision":42,"#, "");
        let json = format!(r#"{{"revision":9,"results":[{{"active":false}},{without}]}}"#);
        let read = |asked| read_many(json.as_bytes(), asked, None);

        let verdicts = read(2).unwrap();

        assert_eq!(verdicts[0], Verification::Inactive);
        assert_eq!(verdicts[1].clone().holder().unwrap().revision, 9);
        assert_eq!(read(1), Err(Unreadable::Count { asked: 1, answered: 2 }));
        assert_eq!(read(3), Err(Unreadable::Count { asked: 3, answered: 2 }));
        for malformed in [
            r#"{"results":[]}"#,
            "[9,[]]",
            r#"{"revision":9,"results":[[false]]}"#,
            r#"{"revision":9,"results":[false]}"#,
        ] {
            assert_eq!(
                read_many(malformed.as_bytes(), 1, None),
                Err(Unreadable::Malformed),
                "{malformed}"
            );
        }
    }
}
