//! The style sheet, the icon and the one script: compiled in, served under a name that holds their hash, so that a
//! browser keeps them for good and never shows a page in last year's dress.

use std::future::{Ready, ready};
use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::pages::web::answer::Answer;
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;

/// One sheet to the browser.
const SHEETS: &str =
    concat!(include_str!("../../assets/style.css"), include_str!("../../assets/tables.css"));
static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", SHEETS));
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("icon", "svg", "image/svg+xml", include_str!("../../assets/icon.svg"))
});

static PASSKEY_SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let script = include_str!("../../assets/passkey.js");
    Asset::new("passkey", "js", "text/javascript; charset=utf-8", script)
});

struct Asset {
    path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = fnv1a(content.as_bytes());
        Self { path: format!("/assets/{name}-{hash:016x}.{ending}"), content_type, content }
    }
}

/// Where the style sheet is.
pub(crate) fn style_path() -> &'static str {
    &STYLE.path
}

/// Where the icon is.
pub(crate) fn icon_path() -> &'static str {
    &ICON.path
}

/// Where the script is that asks browsers for passkeys.
pub(crate) fn passkey_script_path() -> &'static str {
    &PASSKEY_SCRIPT.path
}

/// `GET /assets/{file}`
pub(crate) fn serve(InPath(file): InPath<String>) -> Ready<Answer> {
    ready(asset_named(&file))
}

fn asset_named(file: &str) -> Answer {
    let all = [&*STYLE, &*ICON, &*PASSKEY_SCRIPT];
    let asset = all.into_iter().find(|asset| asset.path.ends_with(&format!("/{file}")));
    let asset = asset.ok_or(Failure::NoSuchPage)?;
    let mut response = Response::new(Body::from(asset.content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}

/// FNV-1a, 64 bits: it names a version of our own file, and nobody gains by a collision.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_named_by_its_content() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert!(style_path().starts_with("/assets/style-"));
    }
}
