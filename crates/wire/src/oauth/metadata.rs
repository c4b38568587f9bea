//! RFC 8414 metadata of the authorization server.

use serde::Serialize;

use crate::json;

/// A client's secret may stand in the header or in the form.
const CLIENT_SECRET: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// Renders the body of `/.well-known/oauth-authorization-server` for the configured public URL.
///
/// `grant_types` are those that the token endpoint answers; there is no authorization endpoint:
/// nobody logs in to another site through us.
#[must_use]
pub fn metadata_json(public_url: &str, grant_types: &[&str]) -> String {
    #[derive(Serialize)]
    struct Metadata<'a> {
        issuer: &'a str,
        token_endpoint: String,
        revocation_endpoint: String,
        introspection_endpoint: String,
        userinfo_endpoint: String,
        // RFC 8414 §2 requires it, even empty.
        response_types_supported: [&'a str; 0],
        grant_types_supported: &'a [&'a str],
        token_endpoint_auth_methods_supported: [&'a str; 2],
        revocation_endpoint_auth_methods_supported: [&'a str; 1],
        introspection_endpoint_auth_methods_supported: [&'a str; 2],
    }
    let issuer = public_url.trim_end_matches('/');
    let endpoint = |name: &str| format!("{issuer}/services/oauth2/{name}");
    let metadata = Metadata {
        issuer,
        token_endpoint: endpoint("token"),
        revocation_endpoint: endpoint("revoke"),
        introspection_endpoint: endpoint("introspect"),
        userinfo_endpoint: endpoint("userinfo"),
        response_types_supported: [],
        grant_types_supported: grant_types,
        token_endpoint_auth_methods_supported: CLIENT_SECRET,
        revocation_endpoint_auth_methods_supported: ["none"],
        introspection_endpoint_auth_methods_supported: CLIENT_SECRET,
    };
    json::render(&metadata)
}

#[cfg(test)]
mod tests {
    use super::metadata_json;

    #[test]
    fn the_document_says_what_there_is_under_the_public_url() {
        let json = metadata_json("https://auth.example/", &["password"]);

        assert_eq!(
            json,
            concat!(
                r#"{"issuer":"https://auth.example","#,
                r#""token_endpoint":"https://auth.example/services/oauth2/token","#,
                r#""revocation_endpoint":"https://auth.example/services/oauth2/revoke","#,
                r#""introspection_endpoint":"https://auth.example/services/oauth2/introspect","#,
                r#""userinfo_endpoint":"https://auth.example/services/oauth2/userinfo","#,
                r#""response_types_supported":[],"grant_types_supported":["password"],"#,
                r#""token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"#,
                r#""revocation_endpoint_auth_methods_supported":["none"],"#,
                r#""introspection_endpoint_auth_methods_supported":"#,
                r#"["client_secret_basic","client_secret_post"]}"#
            )
        );
    }
}
