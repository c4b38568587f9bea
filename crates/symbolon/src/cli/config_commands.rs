//! `config show` and `config schema`.

use crate::config::layers::Layers;
use crate::config::show;
use crate::exit::Failure;
use crate::out::{Column, Form, Out};

const KEYS: &[Column] = &[("KEY", "key"), ("VALUE", "value"), ("ORIGIN", "origin")];

/// Shows what was given even where some of it is faulty, and then tells the faults.
pub(super) fn show(layers: &Layers, out: Out) -> Result<(), Failure> {
    out.rows(&show::shown(layers), KEYS)?;
    if layers.faults.is_empty() { Ok(()) } else { Err(Failure::faulty(&layers.faults)) }
}

pub(super) fn schema(out: Out) -> Result<(), Failure> {
    let out = Out { form: Form::Json, ..out };
    out.data(&show::schema(), |_| String::new())
}
