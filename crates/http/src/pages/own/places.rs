//! Known places: where a user has proved himself, and the way to end each of them or all others at once.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::places::{self, PlaceKind, PlaceRow};
use symbolon_core::id::{Id, Place};

use crate::pages::own::sessions::not_shown;
use crate::pages::view::done::Done;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/known-places";

#[derive(Template)]
#[template(path = "known_places.html")]
struct PlacesPage {
    frame: Frame,
    places: Vec<Row>,
    not_shown: Option<String>,
    end_others: FormView,
}

/// A place in the table, with the button that ends it.
struct Row {
    place: PlaceRow,
    own: bool,
    end: FormView,
}

impl Row {
    fn kind(&self) -> &'static str {
        match self.place.kind {
            PlaceKind::Browser => "browser",
            PlaceKind::Api => "API client",
        }
    }

    fn client(&self) -> &str {
        if self.place.client.is_empty() { "(no name)" } else { &self.place.client }
    }
}

impl Page for PlacesPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/known-places`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Known Places").await?;
    let nonce = nonce_of(&visit.ctx.keys, &session);
    let all = places::list(&visit.ctx, session.user).await?;
    let others = all.iter().any(|place| Some(place.id) != session.place);
    let rows = all.into_iter().map(|place| {
        let end = FormView::new(format!("{PATH}/{}/end", place.id), &nonce, "End")
            .about(format!("the place {} at {}", place.client, place.source))
            .tone(Tone::Quiet);
        Row { own: Some(place.id) == session.place, end, place }
    });
    let end_others = FormView::new(format!("{PATH}/end-others"), &nonce, "End All Other Places")
        .tone(Tone::Grave)
        .obstacle((!others).then_some("There is no other place."));
    let not_shown = not_shown(places::not_shown(&visit.ctx, session.user).await?);
    let page = PlacesPage { frame, places: rows.collect(), not_shown, end_others };
    Ok(page.answer(StatusCode::OK))
}

/// `POST /setup/known-places/{place}/end`
pub(crate) async fn end(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(ended): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let ended = Id::<Place>::from_str(&ended).map_err(|_| Failure::NoSuchPage)?;
    places::end(&visit.ctx, session.user, ended).await?;
    Ok(see_other(&Done::PlaceEnded.at(PATH)))
}

/// `POST /setup/known-places/end-others`
pub(crate) async fn end_others(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    places::end_others(&visit.ctx, session.user, session.place).await?;
    Ok(see_other(&Done::PlacesEnded.at(PATH)))
}
