//! A page that is one form: what it does, the form, the way back.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::pages::view::faults::Faults;
use crate::pages::view::form::FormView;
use crate::pages::view::frame::Frame;
use crate::pages::view::scopes::ScopesTable;
use crate::pages::web::answer::Page;

/// A form within Setup.
#[derive(Template)]
#[template(path = "form_page.html")]
struct FormPage {
    frame: Frame,
    intro: Vec<String>,
    form: FormView,
    below: Option<ScopesTable>,
}

/// A form for whoever is not logged in.
#[derive(Template)]
#[template(path = "door_page.html")]
struct DoorPage {
    frame: Frame,
    intro: Vec<String>,
    form: FormView,
}

impl Page for FormPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Page for DoorPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// Answers with a form, with its faults if it has any.
///
/// A frame with a person is one of Setup; without, the form stands alone.
pub(crate) fn form_page(frame: Frame, intro: &[&str], form: FormView, faults: Faults) -> Response {
    let status =
        if faults.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    form_page_with(frame, intro, form, faults, status)
}

/// The same, under a status of the caller's.
pub(crate) fn form_page_with(
    frame: Frame,
    intro: &[&str],
    form: FormView,
    faults: Faults,
    status: StatusCode,
) -> Response {
    let intro = intro.iter().map(|line| (*line).to_owned()).collect();
    let form = form.with(&faults);
    let frame = frame.with_faults(faults);
    if frame.is_setup() {
        FormPage { frame, intro, form, below: None }.answer(status)
    } else {
        DoorPage { frame, intro, form }.answer(status)
    }
}

/// A form within Setup for a reset, with what each choice ends below it.
pub(crate) fn reset_form_page(
    frame: Frame,
    intro: &str,
    form: FormView,
    faults: Faults,
    below: ScopesTable,
) -> Response {
    let status =
        if faults.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (intro, form, below) = (vec![intro.to_owned()], form.with(&faults), Some(below));
    FormPage { frame: frame.with_faults(faults), intro, form, below }.answer(status)
}
