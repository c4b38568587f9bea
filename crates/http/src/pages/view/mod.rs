//! What pages are put together from.

pub(crate) mod age;
pub(crate) mod done;
pub(crate) mod faults;
pub(crate) mod form;
pub(crate) mod form_page;
pub(crate) mod frame;
pub(crate) mod letter_words;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod moment;
pub(crate) mod notices;
pub(crate) mod passkey_form;
pub(crate) mod proof_form;
pub(crate) mod qr;
pub(crate) mod scopes;
pub(crate) mod steps;
pub(crate) mod tree;
