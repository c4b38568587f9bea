//! What is wrong with a form, field by field.

use symbolon_app::AppError;
use symbolon_core::names::NameError;
use symbolon_core::secret::Password;
use symbolon_wire::form::Form;

use crate::pages::web::failure::{Failure, capitalised};

/// One fault: at a field, or, where the name is empty, of the form as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field's name.
    pub(crate) field: &'static str,
    /// What is wrong, as a sentence.
    pub(crate) text: String,
}

/// The faults of a form, in the order of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// No fault.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// One fault at one field.
    pub(crate) fn one(field: &'static str, text: impl Into<String>) -> Self {
        Self(vec![Fault { field, text: text.into() }])
    }

    /// Adds a fault.
    pub(crate) fn add(&mut self, field: &'static str, text: impl Into<String>) {
        self.0.push(Fault { field, text: text.into() });
    }

    /// What is wrong with this field.
    pub(crate) fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|fault| fault.field == field).map(|fault| fault.text.as_str())
    }

    /// Reads a name out of the form; notes why if it is none.
    pub(crate) fn read<T>(
        &mut self,
        form: &Form,
        field: &'static str,
        label: &str,
        parse: impl FnOnce(&str) -> Result<T, NameError>,
    ) -> Option<T> {
        match parse(form.text(field).unwrap_or_default()) {
            Ok(name) => Some(name),
            Err(fault) => {
                self.add(field, format!("{label} {fault}."));
                None
            }
        }
    }

    /// Notes if the second typing of a new password differs from the first.
    pub(crate) fn compare(&mut self, new: &Password, field: &'static str, again: &Password) {
        if new.reveal() != again.reveal() {
            self.add(field, "The two passwords are not the same.");
        }
    }
}

/// Turns what a use case refuses into a fault at the form's field, or passes it on.
///
/// `password` names the field of the new password, if the form has one.
pub(crate) fn of_app(error: AppError, password: &'static str) -> Result<Faults, Failure> {
    match error {
        AppError::Password(fault) => Ok(Faults::one(password, fault.to_string())),
        AppError::Taken(what) => {
            let text = format!("This {what} is taken. Choose another.");
            Ok(Faults::one(field_named(what), text))
        }
        AppError::Name { field, fault } => {
            Ok(Faults::one(field_named(field), format!("{} {fault}.", capitalised(field))))
        }
        AppError::KeyUsed => {
            Ok(Faults::one("", "The form was sent before, for something else. Send it once more."))
        }
        AppError::Forbidden(text) | AppError::Invalid(text) => Ok(Faults::one("", sentence(text))),
        AppError::NotFound(_)
        | AppError::TooMany { .. }
        | AppError::Database(_)
        | AppError::Busy
        | AppError::Corrupt(_)
        | AppError::KeyMissing => Err(error.into()),
    }
}

/// A text of ours as a sentence of its own.
pub(crate) fn sentence(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{end}", capitalised(text))
}

/// The form field that shows a name's faults; the form as a whole if it has none of that name.
fn field_named(name: &str) -> &'static str {
    const FIELDS: [&str; 6] = ["username", "name", "email", "profile", "range", "label"];
    match name {
        "network" => "range",
        "email address" | "address" => "email",
        _ => FIELDS.into_iter().find(|field| *field == name).unwrap_or_default(),
    }
}
