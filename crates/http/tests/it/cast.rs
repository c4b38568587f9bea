//! Whoever may come to a route: with nothing, the wrong credential, one of the wrong kind, or the right
//! one.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, header};
use symbolon_app::context::Switch;
use symbolon_app::links::LinkKind;
use symbolon_core::id::{Id, Session, Token, User};
use symbolon_core::keys::Purpose;
use symbolon_core::secret::SessionSecret;
use symbolon_core::session::SessionKind;
use symbolon_http::routes::{Admits, Route};

use crate::calls::{Answer, bearer, request};
use crate::house::TestHouse;

/// Characters in the secret of a link.
const LINK_LENGTH: usize = 22;

/// A house with one of each: a user and an administrator, each with a web and an API session.
pub(crate) struct Cast {
    pub(crate) house: TestHouse,
    pub(crate) ada: Id<User>,
    administrator_token: Id<Token>,
    setup_link: String,
    client: String,
    user_cookie: String,
    user_session: String,
    administrator_cookie: String,
    administrator_session: String,
}

impl Cast {
    pub(crate) async fn gather() -> Self {
        let house = TestHouse::open().await;
        let ada = house.user("ada").await;
        let root = house.administrator("root").await;
        let client = house.client(Switch::On).await;
        let (setup_link, _) = symbolon_app::setup::issue_setup_link(&house.ctx).await.unwrap();
        let user_session = house.api_session("ada").await;
        let administrator_session = house.api_session("root").await;
        let tokens = symbolon_app::tokens::of_user(&house.ctx, root).await.unwrap();
        Self {
            ada,
            administrator_token: tokens[0].token,
            setup_link: setup_link.reveal().to_owned(),
            client: format!("{}:{}", client.id, client.secret.reveal()),
            user_session,
            administrator_session,
            user_cookie: house.web_session("ada").await,
            administrator_cookie: house.web_session("root").await,
            house,
        }
    }

    /// The path with something plausible in place of each parameter: for the caller's own things his
    /// own, and for a token the administrator's.
    async fn path_of(&self, route: &Route, credential: &Credential) -> String {
        let organization = self.house.organization().await.to_string();
        let segments = route.path.split('/').map(|segment| {
            let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
                return segment.to_owned();
            };
            match name {
                "org" => organization.clone(),
                "user" | "id" => self.ada.to_string(),
                "version" if route.path.contains("Soap") => "59.0".to_owned(),
                "version" => "v59.0".to_owned(),
                "flavour" => "u".to_owned(),
                "object" => "User".to_owned(),
                "username" => "ada@example.com".to_owned(),
                "token" => self.administrator_token.to_string(),
                "kind" => credential.link_kind().word().to_owned(),
                "secret" => credential.link_secret(),
                _ => "a".repeat(LINK_LENGTH),
            }
        });
        segments.collect::<Vec<_>>().join("/")
    }

    pub(crate) async fn send(&self, route: &Route, credential: &Credential) -> Answer {
        let path = self.path_of(route, credential).await;
        let mut request = request(route.method.clone(), &path);
        let mut body = String::new();
        match credential {
            Credential::None => {}
            Credential::Link(..) => {
                let browser = "b".repeat(32);
                let cookie = format!("__Host-symbolon-form={browser}");
                request = request.header(header::COOKIE, cookie);
                body = format!("csrf={}", self.nonce_for(&format!("browser {browser}")));
            }
            Credential::Cookie(secret) => {
                request = request.header(header::COOKIE, format!("__Host-symbolon={secret}"));
                // With the form's nonce, so that it is not its absence that is refused.
                body = format!("csrf={}", self.nonce(secret).await);
            }
            Credential::Bearer(id) => {
                request = request.header(header::AUTHORIZATION, bearer(id));
            }
            Credential::Basic(pair) => {
                let value = format!("Basic {}", STANDARD.encode(pair));
                request = request.header(header::AUTHORIZATION, value);
            }
        }
        // Whole questions, so that it is not their form that is refused.
        match route.path {
            "/services/oauth2/token" => {
                body = String::from("grant_type=password&username=ada%40example.com&password=p");
            }
            "/services/oauth2/introspect" => body = String::from("token=junk"),
            "/api/v1/verify" => body = String::from(r#"{"credentials":["junk"]}"#),
            _ => {}
        }
        let is_json = ["/services/data", "/api/"].iter().any(|head| route.path.starts_with(head));
        let media_type =
            if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        if route.method != Method::GET {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        self.house.send(request.body(Body::from(body)).unwrap()).await
    }

    /// The nonce of forms shown to the holder of this session; junk if there is none.
    async fn nonce(&self, secret: &str) -> String {
        let secret = SessionSecret::new(secret.to_owned());
        let ctx = &self.house.ctx;
        let found = symbolon_app::sessions::find(ctx, SessionKind::Web, &secret).await.unwrap();
        let session: Id<Session> = found.map_or(Id::from_raw(1), |live| live.session);
        self.nonce_for(&format!("session {session}"))
    }

    fn nonce_for(&self, reader: &str) -> String {
        let digest = self.house.ctx.keys.digest(Purpose::Form, reader.as_bytes());
        let digits: Vec<String> = digest.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        digits.concat()
    }

    /// What `admits` must not let in: nothing, the wrong one, and each of the wrong kind.
    pub(crate) fn not_admitted(&self, admits: Admits) -> Vec<Credential> {
        let api_secret = self.user_session.split_once('!').unwrap().1.to_owned();
        let organization = self.user_session.split_once('!').unwrap().0;
        let web_as_bearer = format!("{organization}!{}", self.user_cookie);
        let wrong_cookie = Credential::Cookie("A".repeat(96));
        let wrong_bearer = Credential::Bearer(format!("{organization}!{}", "A".repeat(96)));
        let client = Credential::Basic("0AC000000000001:junk".to_owned());
        match admits {
            Admits::Anyone => vec![],
            Admits::LoggedIn => vec![
                Credential::None,
                wrong_cookie,
                Credential::Cookie(api_secret),
                Credential::Bearer(self.user_session.clone()),
                Credential::Bearer(web_as_bearer),
            ],
            Admits::Administrator => vec![
                Credential::None,
                wrong_cookie,
                Credential::Cookie(self.user_cookie.clone()),
                Credential::Bearer(self.administrator_session.clone()),
            ],
            Admits::LinkBearer => {
                let mut credentials = vec![
                    Credential::None,
                    Credential::Cookie(self.administrator_cookie.clone()),
                    Credential::Bearer(self.administrator_session.clone()),
                    Credential::Link(LinkKind::Setup, "a".repeat(LINK_LENGTH)),
                ];
                let others = [
                    LinkKind::Invitation,
                    LinkKind::PasswordRecovery,
                    LinkKind::AddressChangeOld,
                    LinkKind::AddressChangeNew,
                    LinkKind::FreezeTokens,
                ];
                let misused = |kind| Credential::Link(kind, self.setup_link.clone());
                credentials.extend(others.map(misused));
                credentials
            }
            Admits::ApiSession => vec![
                Credential::None,
                wrong_bearer,
                Credential::Bearer("junk".to_owned()),
                Credential::Bearer(web_as_bearer),
                Credential::Cookie(self.administrator_cookie.clone()),
                client,
            ],
            Admits::ApiClient => vec![
                Credential::None,
                client,
                Credential::Basic(format!("{}x", self.client)),
                Credential::Bearer(self.administrator_session.clone()),
                Credential::Cookie(self.administrator_cookie.clone()),
            ],
            Admits::Operator => vec![
                Credential::None,
                Credential::Cookie(self.administrator_cookie.clone()),
                Credential::Bearer(self.administrator_session.clone()),
            ],
        }
    }

    /// What `admits` lets in, where a walk can hold it.
    pub(crate) fn admitted(&self, admits: Admits) -> Option<Credential> {
        match admits {
            Admits::LoggedIn => Some(Credential::Cookie(self.user_cookie.clone())),
            Admits::Administrator => Some(Credential::Cookie(self.administrator_cookie.clone())),
            Admits::ApiSession => Some(Credential::Bearer(self.user_session.clone())),
            Admits::LinkBearer => Some(Credential::Link(LinkKind::Setup, self.setup_link.clone())),
            Admits::ApiClient => Some(Credential::Basic(self.client.clone())),
            Admits::Anyone | Admits::Operator => None,
        }
    }
}

/// What comes along with a request.
#[derive(Debug)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A session's cookie, and the nonce of a form shown to its holder.
    Cookie(String),
    /// A session id.
    Bearer(String),
    /// A client's name and secret.
    Basic(String),
    /// A link, and the nonce of a form shown to its bearer.
    Link(LinkKind, String),
}

impl Credential {
    fn link_kind(&self) -> LinkKind {
        match self {
            Self::Link(kind, _) => *kind,
            Self::None | Self::Cookie(_) | Self::Bearer(_) | Self::Basic(_) => LinkKind::Invitation,
        }
    }

    fn link_secret(&self) -> String {
        match self {
            Self::Link(_, secret) => secret.clone(),
            Self::None | Self::Cookie(_) | Self::Bearer(_) | Self::Basic(_) => {
                "a".repeat(LINK_LENGTH)
            }
        }
    }
}
