//! What an address names: parameters of the path, where a path that cannot be read is no page.

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::pages::web::failure::Failure;
use crate::state::HttpState;

/// Extractor: the parameters of the path.
#[derive(Debug)]
pub(crate) struct InPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<HttpState> for InPath<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(parameters)) => Ok(Self(parameters)),
            // axum's own words for a broken escape are plain text, and people read pages.
            Err(_) => Err(Failure::NoSuchPage.into_response()),
        }
    }
}
