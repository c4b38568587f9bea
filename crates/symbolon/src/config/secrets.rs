//! Secrets within configuration values: found, so that they are kept off argv, and masked when shown.

/// Whether an address carries a password: `scheme://user:password@host` or `?password=…`.
///
/// # Security
/// A wrong *yes* makes somebody use a file instead; a wrong *no* leaves a password on argv, where
/// every user of the machine can read it. So anything before the last `@` that has a colon counts.
pub(crate) fn carries_password(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let login = rest.rsplit_once('@').map(|(login, _)| login);
    login.is_some_and(|login| login.contains(':')) || has_password_option(rest)
}

fn has_password_option(rest: &str) -> bool {
    rest.split_once('?').is_some_and(|(_, options)| options.contains("password="))
}

/// The address with its password left out; all of it where that cannot be told apart.
pub(crate) fn masked(address: &str) -> String {
    if !carries_password(address) {
        return address.to_owned();
    }
    let parts = address.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some((scheme, user, place)).filter(|_| !has_password_option(place))
    });
    match parts {
        Some((scheme, user, place)) => format!("{scheme}://{user}:***@{place}"),
        None => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_wherever_an_address_carries_it() {
        for address in [
            "smtp://relay:hush@mail.example:587",
            "smtp://relay:hu/sh@mail.example",
            "postgres://a:b@c/d",
            "postgres://c/d?user=a&password=b",
        ] {
            assert!(carries_password(address), "{address}");
            assert!(
                !masked(address).contains("hush") && masked(address).contains("***"),
                "{address}"
            );
        }
    }

    #[test]
    fn an_address_without_a_password_is_shown_whole() {
        for address in
            ["smtp://mail.example:25?tls=none", "postgres://me@[::1]:5432/db", "sqlite:a.db"]
        {
            assert_eq!(masked(address), address);
        }
        assert_eq!(masked("smtps://me:x@y.example/"), "smtps://me:***@y.example/");
    }
}
