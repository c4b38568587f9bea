//! The frame of every page: who it speaks for, who is logged in, the tree of pages, and what must
//! be known whatever the page is about.

use symbolon_app::AppError;
use symbolon_app::sessions::LiveSession;
use symbolon_core::keys::KeyRing;

use crate::pages::assets;
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::notices::{self, Notice};
use crate::pages::view::tree::{self, Section};
use crate::pages::web::answer::Transport;
use crate::pages::web::csrf::{self, ShownTo};
use crate::pages::web::visit::Visit;

/// The frame of a page.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Shown at the top left.
    pub(crate) organization: String,
    /// The page's one heading.
    pub(crate) title: String,
    /// Who is logged in, with what only they see.
    pub(crate) person: Option<Person>,
    /// What has just been done.
    pub(crate) done: Option<&'static str>,
    /// What is wrong with the form.
    pub(crate) faults: Faults,
    /// How the browser reached us.
    pub(crate) transport: Transport,
}

/// What the frame shows to whoever is logged in.
#[derive(Debug)]
pub(crate) struct Person {
    /// The name as shown.
    pub(crate) name: String,
    /// The nonce of this session's forms.
    pub(crate) csrf: String,
    /// The tree of pages, as far as Quick Find leaves it.
    pub(crate) tree: Vec<Section>,
    /// What Quick Find looks for.
    pub(crate) quick_find: String,
    /// Where Quick Find leads.
    pub(crate) find_at: String,
    /// What must be known.
    pub(crate) notices: Vec<Notice>,
}

impl Frame {
    /// The frame for whoever is not logged in.
    pub(crate) fn for_visitor(visit: &Visit, title: impl Into<String>) -> Self {
        Self {
            organization: visit.ctx.settings.organization.as_str().to_owned(),
            title: title.into(),
            person: None,
            done: visit.query("done").and_then(Done::text_of_word),
            faults: Faults::none(),
            transport: visit.transport,
        }
    }

    /// The frame for the holder of a session.
    pub(crate) async fn for_session(
        visit: &Visit,
        session: &LiveSession,
        title: impl Into<String>,
    ) -> Result<Self, AppError> {
        let quick_find = visit.query("q").unwrap_or_default().trim().to_owned();
        let person = Person {
            name: session.name.as_str().to_owned(),
            csrf: nonce_of(&visit.ctx.keys, session),
            tree: tree::tree_for(session, &visit.path, &quick_find),
            quick_find,
            find_at: visit.own_get_path.clone().unwrap_or_else(|| "/setup".to_owned()),
            notices: notices::for_session(&visit.ctx, session).await?,
        };
        Ok(Self { person: Some(person), ..Self::for_visitor(visit, title) })
    }

    /// Adds what is wrong with the page's form.
    pub(crate) fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    /// Whether this is a page of Setup.
    pub(crate) fn is_setup(&self) -> bool {
        self.person.is_some()
    }

    /// What stands before the title in the window's title bar.
    pub(crate) fn title_prefix(&self) -> &'static str {
        if self.faults.0.is_empty() { "" } else { "Error: " }
    }

    /// Where the style sheet is.
    #[expect(clippy::unused_self, reason = "templates reach it through the frame")]
    pub(crate) fn style(&self) -> &'static str {
        assets::style_path()
    }

    /// Where the icon is.
    #[expect(clippy::unused_self, reason = "templates reach it through the frame")]
    pub(crate) fn icon(&self) -> &'static str {
        assets::icon_path()
    }
}

/// The nonce of the forms that are shown to the holder of `session`.
pub(crate) fn nonce_of(keys: &KeyRing, session: &LiveSession) -> String {
    csrf::nonce(keys, ShownTo::Session(session.session))
}
