//! What holds for the tokens of a device type, as a form takes it: each fault at its field.
//!
//! Bounds are those of [`DeviceRules::check`], told before it has to refuse. A length of time that is no whole
//! number of days (the command line can set one) stays as it is unless its field is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use symbolon_app::profiles::ProfileView;
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{
    DeviceRules, Holders, MOST_HOLDERS, Mismatch, OnSharing, Overlap, ReminderDays,
};
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::DAY;
use symbolon_core::verification::BearerUse;
use symbolon_core::words::{of_word, word_of};
use symbolon_wire::form::Form;

use crate::pages::view::faults::{Faults, sentence};
use crate::pages::view::form::{Choice, Control, Field, FormView};

const MAX_AGE: &str = "max_age";
const REMINDERS: &str = "reminders";
const IDLE_END: &str = "idle_end";
const BEARER: &str = "bearer";
const ADDRESSES: &str = "addresses";
const HOLDERS: &str = "holders";
const KIND: &str = "client_kind";
const MISMATCH: &str = "on_mismatch";
const OVERLAP: &str = "overlap";
const PLACES: &str = "most_places";
const ON_SHARING: &str = "on_sharing";

const OLDEST: u64 = 3660;
const MOST_PLACES: u64 = 1000;
const ANY: &str = "any";

const BEARERS: [(BearerUse, &str); 2] = [(BearerUse::OneHalf, "off"), (BearerUse::Allowed, "on")];

/// The rules of a device type as typed.
#[derive(Debug, Clone)]
pub(crate) struct Typed(BTreeMap<&'static str, String>);

impl Typed {
    /// The names of the form's fields, in its order.
    pub(crate) const FIELDS: [&'static str; 11] = [
        HOLDERS, MAX_AGE, REMINDERS, IDLE_END, OVERLAP, BEARER, ADDRESSES, KIND, MISMATCH, PLACES,
        ON_SHARING,
    ];

    /// The rules, written out.
    pub(crate) fn of(rules: &DeviceRules, profiles: &[ProfileView]) -> Self {
        Self(BTreeMap::from([
            (MAX_AGE, days(rules.max_age)),
            (REMINDERS, rules.reminders.to_string()),
            (IDLE_END, rules.idle_end.map(days).unwrap_or_default()),
            (BEARER, word_of(&BEARERS, rules.bearer).to_owned()),
            (ADDRESSES, rules.addresses.as_ref().map(ToString::to_string).unwrap_or_default()),
            (HOLDERS, holder_names(&rules.holders, profiles).join("\n")),
            (KIND, rules.kind.map_or(ANY, ClientKind::word).to_owned()),
            (MISMATCH, word_of(&Mismatch::ALL, rules.mismatch).to_owned()),
            (OVERLAP, word_of(&Overlap::ALL, rules.overlap).to_owned()),
            (PLACES, rules.most_places.to_string()),
            (ON_SHARING, word_of(&OnSharing::ALL, rules.on_sharing).to_owned()),
        ]))
    }

    /// What a form holds, right or wrong.
    pub(crate) fn read(form: &Form) -> Self {
        let text = |name: &str| form.text(name).unwrap_or_default().trim().to_owned();
        Self(Self::FIELDS.map(|name| (name, text(name))).into())
    }

    /// The rules `before` with what was typed, or what is wrong with it.
    pub(crate) fn rules(
        &self,
        before: &DeviceRules,
        profiles: &[ProfileView],
    ) -> Result<DeviceRules, Faults> {
        let mut faults = Faults::none();
        let rules = DeviceRules {
            holders: self.holders(profiles, &mut faults),
            max_age: self.span(MAX_AGE, Some(before.max_age), &mut faults),
            reminders: ReminderDays::parse(self.text(REMINDERS)).unwrap_or_else(|fault| {
                faults.add(REMINDERS, sentence(fault));
                ReminderDays::default()
            }),
            idle_end: match self.text(IDLE_END) {
                "" => None,
                _ => Some(self.span(IDLE_END, before.idle_end, &mut faults)),
            },
            overlap: self.chosen(OVERLAP, &Overlap::ALL, before.overlap, &mut faults),
            bearer: self.chosen(BEARER, &BEARERS, before.bearer, &mut faults),
            addresses: LoginRanges::parse(self.text(ADDRESSES)).unwrap_or_else(|fault| {
                faults.add(ADDRESSES, sentence(format!("each {fault}, and 256 are the most")));
                None
            }),
            kind: match self.text(KIND) {
                ANY => None,
                _ => Some(self.chosen(KIND, &ClientKind::ALL, ClientKind::Server, &mut faults)),
            },
            mismatch: self.chosen(MISMATCH, &Mismatch::ALL, before.mismatch, &mut faults),
            most_places: self.number(PLACES, MOST_PLACES, &mut faults),
            on_sharing: self.chosen(ON_SHARING, &OnSharing::ALL, before.on_sharing, &mut faults),
        };
        if faults.0.is_empty() { Ok(rules) } else { Err(faults) }
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn number(&self, name: &'static str, most: u64, faults: &mut Faults) -> u32 {
        let value = self.text(name).parse::<u32>().ok();
        value.filter(|value| (1..=most).contains(&u64::from(*value))).unwrap_or_else(|| {
            faults.add(name, format!("Give a whole number from 1 to {most}."));
            1
        })
    }

    fn span(&self, name: &'static str, before: Option<Duration>, faults: &mut Faults) -> Duration {
        let same = before.filter(|before| days(*before) == self.text(name));
        same.unwrap_or_else(|| DAY * self.number(name, OLDEST, faults))
    }

    fn chosen<T: Copy>(
        &self,
        name: &'static str,
        words: &[(T, &'static str)],
        otherwise: T,
        faults: &mut Faults,
    ) -> T {
        of_word(words, self.text(name)).unwrap_or_else(|| {
            faults.add(name, "Choose one of those in the list.");
            otherwise
        })
    }

    fn holders(&self, profiles: &[ProfileView], faults: &mut Faults) -> Holders {
        let mut holders = Vec::new();
        let lines = self.text(HOLDERS).lines().map(str::trim);
        for name in lines.filter(|line| !line.is_empty()) {
            match profiles.iter().find(|profile| profile.name == name) {
                Some(profile) if holders.contains(&profile.id) => {}
                Some(profile) => holders.push(profile.id),
                None => faults.add(HOLDERS, format!("There is no profile of the name {name}.")),
            }
        }
        if holders.len() > MOST_HOLDERS {
            faults.add(HOLDERS, format!("Name {MOST_HOLDERS} profiles at most."));
        }
        if holders.is_empty() { Holders::Everybody } else { Holders::Profiles(holders) }
    }
}

/// The names of the profiles whose users may hold a token; none where everybody may.
pub(crate) fn holder_names(holders: &Holders, profiles: &[ProfileView]) -> Vec<String> {
    let Holders::Profiles(ids) = holders else {
        return Vec::new();
    };
    let name_of = |profile: &ProfileView| ids.contains(&profile.id).then(|| profile.name.clone());
    profiles.iter().filter_map(name_of).collect()
}

/// Adds the fields of a device type's rules, filled in.
pub(crate) fn fields_of(form: FormView, typed: &Typed) -> FormView {
    let number = |most| Control::Number { least: 1, most };
    let select = |choices: &[(&str, &str)]| {
        Control::Select(choices.iter().map(|(word, words)| Choice::new(word, words)).collect())
    };
    let kinds = [(ANY, "any client")].into_iter();
    let kinds = kinds.chain(ClientKind::ALL.map(|(_, word)| (word, word))).collect::<Vec<_>>();
    let fields = [
        Field::new(HOLDERS, "Profiles whose users may hold a token", Control::Lines)
            .hint("Their names, one on each line. Empty: everybody.")
            .optional()
            .beginning("Holders"),
        Field::new(MAX_AGE, "Age limit, in days", number(OLDEST))
            .hint("Tokens that are out already keep the end they were issued with.")
            .beginning("Age"),
        Field::new(REMINDERS, "Reminders, in days before that", Control::Text)
            .hint("Such as 30, 14, 7, 1. Empty: none.")
            .optional(),
        Field::new(IDLE_END, "Days without use that end a token", Control::Text)
            .hint("1 to 3660. Empty: never.")
            .optional(),
        Field::new(
            OVERLAP,
            "Rotations, in which the old token lives on for a while",
            select(&[("forbidden", "are forbidden"), ("allowed", "are allowed")]),
        ),
        Field::new(
            BEARER,
            "Bearer use",
            select(&[
                ("off", "off: a token is one half, the password is the other"),
                ("on", "on: a token is a whole credential by itself"),
            ]),
        )
        .beginning("Use"),
        Field::new(ADDRESSES, "Addresses from which a token may be used", Control::Lines)
            .hint("Such as 10.0.0.0/8, 2001:db8::/32. Empty: from anywhere.")
            .optional(),
        Field::new(KIND, "Kind of client that it is for", select(&kinds)),
        Field::new(
            MISMATCH,
            "Where plainly another kind presents a token",
            select(&[("note", "it is let in and noted"), ("refuse", "it is refused")]),
        ),
        Field::new(PLACES, "Networks in an hour that are not suspicious", number(MOST_PLACES))
            .beginning("Sharing"),
        Field::new(
            ON_SHARING,
            "Where a token looks shared",
            select(&[
                ("tell", "its owner and administrators are told"),
                ("freeze", "they are told, and the owner’s tokens are frozen"),
            ]),
        ),
    ];
    fields.into_iter().fold(form, |form, field| {
        let value = typed.text(field.name()).to_owned();
        form.field(field.value(value))
    })
}

fn days(span: Duration) -> String {
    (span.as_secs() / DAY.as_secs()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> DeviceRules {
        DeviceRules {
            max_age: 90 * DAY,
            reminders: ReminderDays::parse("30,7").unwrap(),
            bearer: BearerUse::Allowed,
            addresses: LoginRanges::parse("10.0.0.0/8, ::1").unwrap(),
            idle_end: Some(30 * DAY),
            overlap: Overlap::Allowed,
            holders: Holders::Everybody,
            kind: Some(ClientKind::Mobile),
            mismatch: Mismatch::Refused,
            most_places: 3,
            on_sharing: OnSharing::Freeze,
        }
    }

    #[test]
    fn the_rules_of_a_device_type_survive_their_form() {
        for rules in [DeviceRules::default(), strict()] {
            let typed = Typed::of(&rules, &[]);
            assert_eq!(typed.rules(&rules, &[]).ok(), Some(rules.clone()));
            assert_eq!(typed.rules(&DeviceRules::default(), &[]).ok(), Some(rules));
        }
    }

    #[test]
    fn a_time_that_is_no_whole_number_of_days_stays_unless_its_field_is_changed() {
        let odd = DeviceRules { max_age: Duration::from_hours(36), ..DeviceRules::default() };

        assert_eq!(Typed::of(&odd, &[]).rules(&odd, &[]).ok(), Some(odd));
    }

    #[test]
    fn each_value_out_of_bounds_is_told_at_its_field() {
        let wrong = [
            (HOLDERS, "Nobody"),
            (MAX_AGE, "0"),
            (REMINDERS, "soon"),
            (IDLE_END, "3661"),
            (OVERLAP, ""),
            (BEARER, "perhaps"),
            (ADDRESSES, "here"),
            (KIND, "toaster"),
            (MISMATCH, "burn"),
            (PLACES, "1001"),
            (ON_SHARING, "burn"),
        ];
        for (field, value) in wrong {
            let mut typed = Typed::of(&DeviceRules::default(), &[]);
            typed.0.insert(field, value.to_owned());

            let faults = typed.rules(&DeviceRules::default(), &[]).unwrap_err();

            let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field).collect();
            assert_eq!(fields, [field]);
        }
    }
}
