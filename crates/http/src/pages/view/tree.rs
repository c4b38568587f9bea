//! The tree of pages in the left sidebar, and Quick Find over it.

use symbolon_app::sessions::LiveSession;

/// A section of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Its pages.
    pub(crate) leaves: Vec<Leaf>,
}

/// A page in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Its name.
    pub(crate) label: &'static str,
    /// Where it is.
    pub(crate) path: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
    /// What stands in `aria-current`, if the page in view is this one or below it.
    pub(crate) current: Option<&'static str>,
}

type Row = (&'static str, &'static str, &'static str);

const OWN: (&str, &[Row]) = (
    "Accounts & Settings",
    &[
        (
            "My Personal Information",
            "/setup/personal-information",
            "Your name, password and email address, and the way to a new security token.",
        ),
        (
            "Reset My Security Token",
            "/setup/reset-security-token",
            "Retire your token and have a new one mailed to you.",
        ),
        ("Tokens", "/setup/tokens", "Your security tokens: how old they are and what uses them."),
        (
            "Sharing Signals",
            "/setup/sharing-signals",
            "What looks as if a token were shared, and how to say that it was not.",
        ),
        (
            "Second Factors",
            "/setup/second-factors",
            "Authenticator apps, passkeys and recovery codes: what you prove yourself with beside the password.",
        ),
        (
            "Known Places",
            "/setup/known-places",
            "Browsers and programs in which you have proved yourself, and how to end them.",
        ),
        ("Sessions", "/setup/sessions", "Where you are logged in, and how to end it."),
        (
            "Login History",
            "/setup/login-history",
            "Who tried to log in as you, from where, and how it ended.",
        ),
    ],
);

const ADMINISTRATION: (&str, &[Row]) = (
    "Administration",
    &[
        (
            "Users",
            "/setup/users",
            "Invite, freeze, unlock and remove users; reset their security tokens.",
        ),
        (
            "All Tokens",
            "/setup/all-tokens",
            "Everybody’s security tokens: whose, how old, last used when.",
        ),
        ("Mail", "/setup/mail", "The outbox: what waits, what was refused and why."),
        (
            "All Logins",
            "/setup/all-login-history",
            "Every attempt to log in, with its true reason.",
        ),
        (
            "Explain a Login",
            "/setup/explain-login",
            "Why a login is let in or refused, rule by rule.",
        ),
        (
            "Trusted Networks",
            "/setup/networks",
            "Address ranges from which an API login needs no token.",
        ),
        (
            "API Clients",
            "/setup/clients",
            "Programs that may ask this authority, and their secrets.",
        ),
        (
            "Device Types",
            "/setup/device-types",
            "What may hold a security token, and bearer use: where the token alone is enough.",
        ),
        (
            "Profiles",
            "/setup/profiles",
            "Policies: where and when users log in, second factors, sessions, passwords, tokens.",
        ),
        (
            "Audit Trail",
            "/setup/audit",
            "What was changed, by whom; and proof that nothing is missing.",
        ),
    ],
);

/// The tree that the holder of `session` sees on the page at `path`.
pub(crate) fn tree_for(session: &LiveSession, path: &str, quick_find: &str) -> Vec<Section> {
    let sections: &[(&'static str, &'static [Row])] =
        if session.administrator { &[OWN, ADMINISTRATION] } else { &[OWN] };
    found(sections, path, quick_find)
}

fn found(
    sections: &[(&'static str, &'static [Row])],
    path: &str,
    quick_find: &str,
) -> Vec<Section> {
    let wanted = quick_find.to_lowercase();
    let sections = sections.iter().map(|(title, rows)| {
        let fits = |(label, _, about): &&Row| {
            [title, label, about].iter().any(|text| text.to_lowercase().contains(&wanted))
        };
        Section { title, leaves: rows.iter().filter(fits).map(|row| leaf(row, path)).collect() }
    });
    sections.filter(|section| !section.leaves.is_empty()).collect()
}

fn leaf(row: &Row, in_view: &str) -> Leaf {
    let (label, path, about) = *row;
    let current = match in_view.strip_prefix(path) {
        Some("") => Some("page"),
        Some(below) if below.starts_with('/') => Some("true"),
        Some(_) | None => None,
    };
    Leaf { label, path, about, current }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sections: &[Section]) -> Vec<&'static str> {
        sections.iter().flat_map(|section| &section.leaves).map(|leaf| leaf.label).collect()
    }

    #[test]
    fn quick_find_leaves_what_contains_its_words_in_any_case() {
        assert_eq!(labels(&found(&[OWN, ADMINISTRATION], "/setup", "audit")), ["Audit Trail"]);
        assert_eq!(labels(&found(&[OWN], "/setup", "RESET")), ["Reset My Security Token"]);
        assert!(found(&[OWN], "/setup", "no such page").is_empty());
    }

    #[test]
    fn the_page_in_view_and_those_below_it_mark_their_leaf() {
        let marked = |path| {
            let sections = found(&[OWN], path, "");
            let leaves = sections.into_iter().flat_map(|section| section.leaves);
            leaves
                .filter_map(|leaf| leaf.current.map(|mark| (leaf.label, mark)))
                .collect::<Vec<_>>()
        };

        assert_eq!(marked("/setup/tokens"), [("Tokens", "page")]);
        assert_eq!(
            marked("/setup/reset-security-token/confirm"),
            [("Reset My Security Token", "true")]
        );
        assert!(marked("/setup").is_empty());
    }
}
