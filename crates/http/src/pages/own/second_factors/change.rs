//! What an owner does to a second factor that he has: another name, the end. The same pages for every kind.

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::AppError;
use symbolon_app::passkeys;
use symbolon_app::second_factors::{self, SecondFactors};
use symbolon_app::sessions::LiveSession;
use symbolon_core::Timestamp;
use symbolon_core::names::DisplayName;

use super::PATH;
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

/// A second factor for daily use, as its owner knows it.
pub(crate) trait OwnFactor: Send + Sync + Sized {
    /// What it is, in headings.
    const KIND: &'static str;
    /// What several of them are, in running text.
    const MANY: &'static str;

    /// The one of this id, if it is the session holder's own: others' are as if they were not.
    fn find(
        visit: &Visit,
        session: &LiveSession,
        id: &str,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Gives it another name.
    fn rename(
        &self,
        visit: &Visit,
        session: &LiveSession,
        name: DisplayName,
    ) -> impl Future<Output = Result<(), AppError>> + Send;

    /// Removes it.
    fn remove(
        &self,
        visit: &Visit,
        session: &LiveSession,
    ) -> impl Future<Output = Result<(), AppError>> + Send;

    /// What keeps one of them from being removed, of a user who has so many passkeys among `all`.
    fn removal_obstacle(all: &SecondFactors, passkeys: usize) -> Option<&'static str>;

    /// Where it is.
    fn path(&self) -> String;
    /// What its owner calls it.
    fn name(&self) -> &DisplayName;
    /// When it was added, and when it was used last.
    fn times(&self) -> (Timestamp, Option<Timestamp>);
    /// What its name is for.
    fn about_name(&self) -> String;
    /// What its removal does.
    fn about_removal(&self) -> String;
}

/// The factors of one kind as a table, with what can be done to each.
#[derive(Template)]
#[template(path = "parts/own_factors.html")]
pub(crate) struct FactorTable {
    many: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    rename: FormView,
    remove: FormView,
}

impl HtmlSafe for FactorTable {}

impl FactorTable {
    /// The table of `factors`; `rule` is what keeps them from being removed.
    pub(crate) fn of<F: OwnFactor>(factors: &[F], rule: Option<&'static str>) -> Self {
        let row = |factor: &F| {
            let (here, name) = (factor.path(), factor.name().to_string());
            let button = |to: String, label| {
                FormView::leading_to(to, label).about(name.clone()).tone(Tone::Quiet)
            };
            let (created_at, last_used_at) = factor.times();
            Row {
                rename: button(format!("{here}/rename"), "Rename"),
                remove: button(format!("{here}/remove"), "Remove").obstacle(rule),
                created_at,
                last_used_at,
                name,
            }
        };
        Self { many: F::MANY, rows: factors.iter().map(row).collect() }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// `GET …/{factor}/rename`
pub(crate) async fn show_rename<F: OwnFactor>(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
) -> Answer {
    let factor = F::find(&visit, &session, &id).await?;
    rename_page(&visit, &session, &factor, factor.name().as_str(), Faults::none()).await
}

/// `POST …/{factor}/rename`
pub(crate) async fn rename<F: OwnFactor>(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["name"])?;
    let factor = F::find(&visit, &session, &id).await?;
    let mut faults = Faults::none();
    let Some(name) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        let typed = form.text("name").unwrap_or_default();
        return rename_page(&visit, &session, &factor, typed, faults).await;
    };
    factor.rename(&visit, &session, name).await?;
    Ok(see_other(&Done::SecondFactorRenamed.at(PATH)))
}

/// `GET …/{factor}/remove`
pub(crate) async fn show_remove<F: OwnFactor>(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
) -> Answer {
    let factor = F::find(&visit, &session, &id).await?;
    let all = second_factors::list(&visit.ctx, session.user).await?;
    let passkeys = passkeys::list(&visit.ctx, session.user).await?.len();
    let frame = Frame::for_session(&visit, &session, &format!("Remove {}", F::KIND)).await?;
    let action = format!("{}/remove", factor.path());
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, &session), "Remove")
        .tone(Tone::Grave)
        .obstacle(F::removal_obstacle(&all, passkeys))
        .cancel(PATH);
    let consequence = if all.authenticators.len() + passkeys > 1 {
        "Your other second factors and your recovery codes stay as they are."
    } else {
        "It is your last second factor: your recovery codes end with it, and your password alone is asked for."
    };
    Ok(form_page(frame, &[&factor.about_removal(), consequence], form, Faults::none()))
}

/// `POST …/{factor}/remove`
pub(crate) async fn remove<F: OwnFactor>(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let factor = F::find(&visit, &session, &id).await?;
    factor.remove(&visit, &session).await?;
    Ok(see_other(&Done::SecondFactorRemoved.at(PATH)))
}

async fn rename_page<F: OwnFactor>(
    visit: &Visit,
    session: &LiveSession,
    factor: &F,
    typed: &str,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, &format!("Rename {}", F::KIND)).await?;
    let action = format!("{}/rename", factor.path());
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(Field::new("name", "Name", Control::Text).value(typed))
        .cancel(PATH);
    Ok(form_page(frame, &[&factor.about_name()], form, faults))
}
