//! Paths as machine clients write them, made into the paths of our routes, before routing.
//!
//! Some clients cannot be told another host than `<label>.salesforce.com` and are pointed at us by
//! `host:port/<label>`; Data Loader doubles the first slash, others add one at the end.

use std::task::{Context, Poll};

use http::Uri;
use http::uri::PathAndQuery;
use symbolon_wire::soap::strip_salesforce_prefix;
use tower::Service;

/// Wraps the router; see [`normalise`].
#[derive(Debug, Clone)]
pub struct Normalised<S>(S);

/// Wraps `inner` so that it sees the paths of machine heads in their one form: without a leading
/// `/<label>.salesforce.com`, without doubled slashes in front and without slashes at the end. Other
/// paths, and every query, stay as they are.
pub fn normalise<S>(inner: S) -> Normalised<S> {
    Normalised(inner)
}

impl<S, B> Service<http::Request<B>> for Normalised<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        if let Some(uri) = normal_form(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.0.call(request)
    }
}

/// The normal form of `uri`, if it is another.
fn normal_form(uri: &Uri) -> Option<Uri> {
    let stripped = strip_salesforce_prefix(uri.path());
    let is_machine_path = stripped.starts_with("/services/")
        || stripped.starts_with("/id/")
        || stripped.starts_with("/.well-known/");
    let path = stripped.trim_end_matches('/');
    if !is_machine_path || path == uri.path() {
        return None;
    }
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_have_one_form_and_other_paths_stay() {
        for (written, normal) in [
            ("/services/data", "/services/data"),
            ("/services/data/v59.0/", "/services/data/v59.0"),
            ("//services/Soap/u/64.0//", "/services/Soap/u/64.0"),
            ("/login.salesforce.com/services/oauth2/token?a=%2F", "/services/oauth2/token?a=%2F"),
            ("/login.salesforce.com//services/data", "/services/data"),
            (
                "/a.salesforce.com/b.salesforce.com/services/data",
                "/a.salesforce.com/b.salesforce.com/services/data",
            ),
            ("/test.salesforce.com/id/a/b", "/id/a/b"),
            ("/login.salesforce.com/login", "/login.salesforce.com/login"),
            ("//evil.example/login", "//evil.example/login"),
            ("/setup/", "/setup/"),
            ("/", "/"),
            ("*", "*"),
            ("http://host:1/x.salesforce.com/services/data?q", "http://host:1/services/data?q"),
        ] {
            let uri: Uri = written.parse().unwrap();

            assert_eq!(normal_form(&uri).unwrap_or(uri).to_string(), normal);
        }
    }
}
