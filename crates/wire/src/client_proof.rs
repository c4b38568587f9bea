//! How a relying service names and proves itself when it asks about credentials.
//!
//! `Authorization: Basic` with both halves form-encoded once more, or `client_id` and `client_secret`
//! in the form (RFC 6749 §2.3.1). Unlike a login client, which may have no secret, a relying service
//! must present one: without it everyone could ask whose a token is.

use crate::authorization::{self, AuthorizationError, BasicPair};
use crate::oauth::{OAuthError, RequestFault};
use crate::{PresentedText, form};

/// A client with the secret that it presents; neither is believed yet, neither is empty.
#[derive(Debug)]
pub struct ClientProof<'a>(Proof<'a>);

#[derive(Debug)]
enum Proof<'a> {
    Header(BasicPair),
    Form { id: PresentedText<'a>, secret: PresentedText<'a> },
}

impl<'a> ClientProof<'a> {
    /// Reads the proof from the `Authorization` header alone, for requests without a form.
    ///
    /// # Errors
    ///
    /// [`OAuthError::InvalidClient`] if there is none or none that can be read.
    pub fn from_header(authorization: Option<&str>) -> Result<Self, OAuthError> {
        Self::from_header_or_form(authorization, None, None)
    }

    /// Reads the proof from the header or from the values of a form; where both are given they must
    /// be the same. An `Authorization` that is not `Basic` proves no client and is ignored.
    ///
    /// # Errors
    ///
    /// [`OAuthError::InvalidClient`], or `invalid_request` if header and form differ.
    pub(crate) fn from_header_or_form(
        authorization: Option<&str>,
        form_id: Option<PresentedText<'a>>,
        form_secret: Option<PresentedText<'a>>,
    ) -> Result<Self, OAuthError> {
        let Some(header) = authorization.filter(|header| authorization::is_basic(header)) else {
            let (Some(id), Some(secret)) = (form_id, form_secret) else {
                return Err(OAuthError::InvalidClient);
            };
            return Ok(Self(Proof::Form { id, secret }));
        };
        let proof = Self(Proof::Header(pair_in(header)?));
        // All come from the same caller, so comparing them tells nobody anything.
        let id_differs = form_id.is_some_and(|id| id.reveal() != proof.id());
        let secret_differs = form_secret.is_some_and(|secret| secret.reveal() != proof.secret());
        if id_differs || secret_differs {
            return Err(OAuthError::InvalidRequest(RequestFault::ClientGivenTwice));
        }
        Ok(proof)
    }

    /// The `client_id`.
    pub fn id(&self) -> &str {
        match &self.0 {
            Proof::Header(pair) => pair.username(),
            Proof::Form { id, .. } => id.reveal(),
        }
    }

    /// Shows the secret. Never hand the result to a log, an error, an id or a URL.
    pub fn secret(&self) -> &str {
        match &self.0 {
            Proof::Header(pair) => pair.reveal_password(),
            Proof::Form { secret, .. } => secret.reveal(),
        }
    }
}

fn pair_in(header: &str) -> Result<BasicPair, OAuthError> {
    let pair = decoded_pair(header).map_err(|_| OAuthError::InvalidClient)?;
    if pair.username().is_empty() || pair.reveal_password().is_empty() {
        return Err(OAuthError::InvalidClient);
    }
    let halves = [pair.username(), pair.reveal_password()];
    if !halves.iter().any(|half| form::is_encoded(half.as_bytes())) {
        return Ok(pair);
    }
    let [id, secret] = halves.map(|half| form::decode(half.as_bytes()));
    match (id, secret) {
        (Ok(id), Ok(secret)) => Ok(BasicPair::join(&id, &secret)),
        (_, Err(_)) | (Err(_), _) => Err(OAuthError::InvalidClient),
    }
}

fn decoded_pair(header: &str) -> Result<BasicPair, AuthorizationError> {
    if header.len() > authorization::MAX_LENGTH {
        return Err(AuthorizationError::TooLong);
    }
    let (_, credential) = authorization::split(header).ok_or(AuthorizationError::Malformed)?;
    BasicPair::decode(credential)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn given_both(header: &str, id: &'static str, secret: &'static str) -> Option<OAuthError> {
        let text = |text: &'static str| Some(PresentedText::borrowed(text));
        ClientProof::from_header_or_form(Some(header), text(id), text(secret)).err()
    }

    #[test]
    fn both_halves_of_the_header_are_decoded_once() {
        let header = basic("a%3Ab:s%2525+x");
        let proof = ClientProof::from_header(Some(&header)).unwrap();

        assert_eq!(proof.id(), "a:b");
        assert_eq!(proof.secret(), "s%25 x");
    }

    #[test]
    fn whoever_does_not_prove_itself_is_an_invalid_client() {
        let long = basic(&format!("c:{}", "s".repeat(4000)));
        for header in [
            "",
            "Basic",
            "Basic ????",
            "Bearer c:s",
            &basic("no colon"),
            &basic(":secret"),
            &basic("client:"),
            &basic("c:%zz"),
            &long,
        ] {
            assert_eq!(
                ClientProof::from_header(Some(header)).unwrap_err(),
                OAuthError::InvalidClient,
                "{header}"
            );
        }
        assert_eq!(ClientProof::from_header(None).unwrap_err(), OAuthError::InvalidClient);
    }

    #[test]
    fn client_in_form_and_header_must_be_the_same() {
        let twice = Some(OAuthError::InvalidRequest(RequestFault::ClientGivenTwice));

        assert_eq!(given_both(&basic("c:s"), "c", "s"), None);
        assert_eq!(given_both(&basic("c:s"), "d", "s"), twice);
        assert_eq!(given_both(&basic("c:s"), "c", "t"), twice);
    }

    #[test]
    fn debug_of_a_proof_shows_no_secret() {
        let header = basic("client:hunter2");
        let shown = format!("{:?}", ClientProof::from_header(Some(&header)).unwrap());

        assert!(shown.contains("client") && !shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn every_client_reads_back(id in "[^\\p{Cc}]{1,20}", secret in "[^\\p{Cc}]{1,40}") {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let header = basic(&format!("{}:{}", encoded(&id), encoded(&secret)));
            let proof = ClientProof::from_header(Some(&header)).unwrap();

            prop_assert_eq!(proof.id(), id);
            prop_assert_eq!(proof.secret(), secret);
        }

        #[test]
        fn no_header_makes_the_reader_panic(text in ".{0,60}") {
            let _ = ClientProof::from_header(Some(&text));
            let _ = ClientProof::from_header(Some(&format!("Basic {text}")));
            let _ = ClientProof::from_header(Some(&basic(&text)));
        }
    }
}
