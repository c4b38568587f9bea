//! The phone's side of an authenticator app: it knows the key that was shown, and the time.

use symbolon_app::second_factors::enrolment::{self, Enrolled, Owner};
use symbolon_app::users::UserView;
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session};
use symbolon_core::keys::Purpose;
use symbolon_core::names::DisplayName;
use symbolon_core::secret::TypedCode;
use symbolon_core::session::SessionKind;
use symbolon_core::totp::{TotpSecret, step_at};
use symbolon_store::sessions::{self, NewSession};

use crate::house::{TestHouse, origin};

/// An app that has scanned the code.
pub(crate) struct AuthenticatorApp(TotpSecret);

impl AuthenticatorApp {
    /// Reads the key as somebody types it.
    pub(crate) fn with_key(groups: &str) -> Self {
        let mut bytes = Vec::new();
        let (mut bits, mut count) = (0_u32, 0);
        for c in groups.chars().filter(|c| *c != ' ') {
            let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).expect("base 32");
            bits = bits << 5 | u32::try_from(digit).unwrap();
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
            }
        }
        Self(TotpSecret::from_bytes(&bytes).expect("20 bytes"))
    }

    /// What it shows `steps` later than `now`.
    pub(crate) fn code(&self, now: Timestamp, steps: i64) -> String {
        self.0.reveal_code(step_at(now) + steps).to_string()
    }
}

pub(crate) fn session(raw: i64) -> Id<Session> {
    Id::from_raw(raw)
}

pub(crate) fn typed(text: &str) -> TypedCode {
    TypedCode::new(text.to_owned())
}

/// What the browser of [`TestHouse::desk`] says it is.
const DESK: &str = "a browser to enrol in";

impl TestHouse {
    /// A web session of this user to enrol in: the same each time, as long as it lives.
    pub(crate) async fn desk(&self, user: &UserView) -> Owner {
        let ctx = &self.ctx;
        let mut tx = ctx.store.begin().await.unwrap();
        let open = sessions::open_of_user(&mut tx, user.id, 1000).await.unwrap();
        if let Some(desk) = open.iter().find(|open| open.client == DESK) {
            return Owner { user: user.id, session: desk.id };
        }
        let id: Id<Session> = ctx.chance.with(|mut rng| Id::mint(&mut rng));
        let new = NewSession {
            id,
            digest: &ctx.keys.digest(Purpose::Session, &id.raw().to_be_bytes()),
            kind: SessionKind::Web,
            user: user.id,
            token: None,
            client_id: None,
            head: "web",
            client: DESK,
            source: "10.1.2.3",
            proof: "password",
            proved_at: None,
            place: None,
            restriction: None,
        };
        sessions::insert(&mut tx, &new, ctx.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        Owner { user: user.id, session: id }
    }

    /// Shows a new key to an app.
    pub(crate) async fn show_key(&self, user: &UserView) -> (String, AuthenticatorApp) {
        let owner = self.desk(user).await;
        let name = enrolment::begin(&self.ctx, owner).await.unwrap();
        let pending = enrolment::pending(&self.ctx, owner, &name).await.unwrap();
        (name, AuthenticatorApp::with_key(&pending.reveal_groups()))
    }

    /// Enrols an app; tells the recovery codes that came with it.
    pub(crate) async fn enrol(&self, user: &UserView) -> (AuthenticatorApp, Vec<String>) {
        let (name, app) = self.show_key(user).await;
        let code = typed(&app.code(self.ctx.clock.now(), 0));
        let label = DisplayName::parse("Phone").unwrap();
        let (owner, origin) = (self.desk(user).await, origin("10.1.2.3"));
        let done = enrolment::confirm(&self.ctx, owner, &name, label, &code, &origin).await;
        let Enrolled::Done(gains) = done.unwrap() else { panic!("the code is right") };
        let codes = gains.codes.map(|codes| codes.0).unwrap_or_default();
        (app, codes.iter().map(|code| code.reveal().to_string()).collect())
    }
}
