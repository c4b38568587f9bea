//! Pages for whoever is not logged in: the log-in, forgotten passwords, single-use links.

pub(crate) mod activate;
pub(crate) mod activate_forms;
pub(crate) mod challenge;
pub(crate) mod forgotten;
pub(crate) mod login;
pub(crate) mod passkey;

use axum::response::Response;

use crate::pages::web::cookies;
use crate::pages::web::csrf::{self, ShownTo};
use crate::pages::web::visit::Visit;

/// What ties anonymous forms to a browser: the cookie it holds, or a fresh one to set.
pub(crate) struct Tie {
    value: String,
    origin: TieOrigin,
}

enum TieOrigin {
    Held,
    Fresh,
}

impl Tie {
    /// Takes up the browser's own cookie, so that several open tabs all stay valid.
    pub(crate) fn of(visit: &Visit) -> Self {
        match &visit.form_cookie {
            Some(value) => Self { value: value.clone(), origin: TieOrigin::Held },
            None => {
                let value = visit.ctx.chance.text(cookies::FORM_LENGTH);
                Self { value, origin: TieOrigin::Fresh }
            }
        }
    }

    /// The nonce for forms.
    pub(crate) fn nonce(&self, visit: &Visit) -> String {
        csrf::nonce(&visit.ctx.keys, ShownTo::Browser(&self.value))
    }

    /// Has the browser hold the cookie, if it does not yet.
    pub(crate) fn bind(&self, visit: &Visit, mut response: Response) -> Response {
        match self.origin {
            TieOrigin::Held => {}
            TieOrigin::Fresh => {
                cookies::set_form(response.headers_mut(), &self.value, visit.transport);
            }
        }
        response
    }
}
