//! The thing that is made once and asked for ever.

use std::fmt;
use std::sync::Arc;

use hyper::Uri;

use crate::answer::{self, Verification};
use crate::config::{Base, Config, ConfigError};
use crate::error::VerifyError;
use crate::question::{self, AtLeast, MOST_CREDENTIALS, Presenter};
use crate::transport::{Question, Transport};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// An answer about one credential has a few hundred bytes.
const ANSWER_LIMIT: usize = 64 * 1024;
const BATCH_ANSWER_LIMIT: usize = 1024 * 1024;

/// Asks one authority. Cheap to clone; clones share their connections.
///
/// A future that is dropped before its end takes its connection with it, so that no late answer is
/// ever read as the answer to another question.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
    presenter: Option<Presenter>,
}

struct Inner {
    transport: Transport,
    client_id: String,
    introspect: Uri,
    verify: Uri,
}

impl Verifier {
    /// Checks the configuration. Connects only when first asked.
    ///
    /// # Errors
    /// What is wrong with the configuration, before any secret is sent.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let base = Base::parse(&config.url)?;
        if config.client_id.is_empty() {
            return Err(ConfigError::ClientId);
        }
        if config.client_secret.reveal().is_empty() {
            return Err(ConfigError::ClientSecret);
        }
        if config.timeout.is_zero() {
            return Err(ConfigError::Timeout);
        }
        let proof = question::proof(&config.client_id, &config.client_secret);
        let transport =
            Transport::new(&base.scheme, &config.root_certificates, proof, config.timeout)?;
        let inner = Inner {
            transport,
            client_id: config.client_id,
            introspect: base.join("/services/oauth2/introspect")?,
            verify: base.join("/api/v1/verify")?,
        };
        Ok(Self { inner: Arc::new(inner), presenter: None })
    }

    /// The same verifier, which tells the authority who presented the credentials that it asks about.
    ///
    /// ```no_run
    /// # use symbolon_client::{Presenter, Verification, Verifier, VerifyError};
    /// # async fn run(verifier: &Verifier, peer: std::net::IpAddr, agent: &str, presented: &str)
    /// #     -> Result<Verification, VerifyError> {
    /// verifier.presented_by(Presenter::at(peer).with_agent(agent)).verify(presented).await
    /// # }
    /// ```
    #[must_use]
    pub fn presented_by(&self, presenter: Presenter) -> Self {
        Self { inner: Arc::clone(&self.inner), presenter: Some(presenter) }
    }

    /// Asks whether `credential` is good at this moment, and whose it is.
    ///
    /// What can be no credential is not sent: text that is empty, longer than 256 bytes, or not of
    /// printable ASCII characters. It is inactive.
    ///
    /// ```no_run
    /// # use symbolon_client::{Verifier, VerifyError};
    /// # async fn run(verifier: &Verifier, presented: &str) -> Result<(), VerifyError> {
    /// let Some(holder) = verifier.verify(presented).await?.holder() else {
    ///     return Ok(()); // 401
    /// };
    /// println!("{} with a {:?}", holder.username, holder.device_type);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Why the verdict is not known.
    ///
    /// # Security
    /// A wrong *yes* would let a stranger in: there is none without a whole answer of the authority.
    pub async fn verify(&self, credential: &str) -> Result<Verification, VerifyError> {
        self.ask_one(credential, None).await
    }

    /// As [`verify`](Self::verify), answered from a state at least as new as the given revision, such
    /// as a reset has returned.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use symbolon_client::{AtLeast, Verifier, VerifyError};
    /// # async fn run(verifier: &Verifier, presented: &str) -> Result<(), VerifyError> {
    /// let verdict = verifier.verify_at_least(presented, 4711).await?;
    ///
    /// let patient = AtLeast::revision(4711).within(Duration::from_millis(250));
    /// let verdict = verifier.verify_at_least(presented, patient).await?;
    /// # let _ = verdict;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError::Unavailable`] if the authority has not seen that revision in time; otherwise
    /// as [`verify`](Self::verify).
    pub async fn verify_at_least(
        &self,
        credential: &str,
        at_least: impl Into<AtLeast>,
    ) -> Result<Verification, VerifyError> {
        self.ask_one(credential, Some(at_least.into())).await
    }

    /// Asks about up to [`MOST_CREDENTIALS`] in one question. The verdicts come in the order of the
    /// credentials. None is asked about where there are none.
    ///
    /// ```no_run
    /// # use symbolon_client::{Verification, Verifier, VerifyError};
    /// # async fn run(verifier: &Verifier, seen: &[&str]) -> Result<(), VerifyError> {
    /// let mut good = 0;
    /// for batch in seen.chunks(symbolon_client::MOST_CREDENTIALS) {
    ///     for verdict in verifier.verify_many(batch).await? {
    ///         good += usize::from(matches!(verdict, Verification::Active(_)));
    ///     }
    /// }
    /// # let _ = good;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError::BatchTooLarge`]; otherwise as [`verify`](Self::verify). There is a verdict on
    /// each or on none.
    pub async fn verify_many(
        &self,
        credentials: &[&str],
    ) -> Result<Vec<Verification>, VerifyError> {
        self.ask_many(credentials, None).await
    }

    /// [`verify_many`](Self::verify_many) with the condition of
    /// [`verify_at_least`](Self::verify_at_least).
    ///
    /// # Errors
    /// Those of both.
    pub async fn verify_many_at_least(
        &self,
        credentials: &[&str],
        at_least: impl Into<AtLeast>,
    ) -> Result<Vec<Verification>, VerifyError> {
        self.ask_many(credentials, Some(at_least.into())).await
    }

    async fn ask_one(
        &self,
        credential: &str,
        at_least: Option<AtLeast>,
    ) -> Result<Verification, VerifyError> {
        if !question::is_presentable(credential) {
            return Ok(Verification::Inactive);
        }
        let question = Question {
            uri: &self.inner.introspect,
            media_type: FORM,
            body: question::form(credential, at_least, self.presenter.as_ref()),
            answer_limit: ANSWER_LIMIT,
        };
        let json = self.inner.transport.ask(question).await?;
        let revision = at_least.map(|at_least| at_least.revision);
        answer::read_one(&json, revision).map_err(VerifyError::Answer)
    }

    async fn ask_many(
        &self,
        credentials: &[&str],
        at_least: Option<AtLeast>,
    ) -> Result<Vec<Verification>, VerifyError> {
        if credentials.len() > MOST_CREDENTIALS {
            return Err(VerifyError::BatchTooLarge { given: credentials.len() });
        }
        let presentable: Vec<&str> =
            credentials.iter().copied().filter(|each| question::is_presentable(each)).collect();
        let mut answered = self.ask_presentable(&presentable, at_least).await?.into_iter();
        let verdict = |credential: &&str| {
            let asked = question::is_presentable(credential).then(|| answered.next());
            asked.flatten().unwrap_or(Verification::Inactive)
        };
        Ok(credentials.iter().map(verdict).collect())
    }

    async fn ask_presentable(
        &self,
        credentials: &[&str],
        at_least: Option<AtLeast>,
    ) -> Result<Vec<Verification>, VerifyError> {
        if credentials.is_empty() {
            return Ok(Vec::new());
        }
        let question = Question {
            uri: &self.inner.verify,
            media_type: JSON,
            body: question::batch(credentials, at_least, self.presenter.as_ref()),
            answer_limit: BATCH_ANSWER_LIMIT,
        };
        let json = self.inner.transport.ask(question).await?;
        let revision = at_least.map(|at_least| at_least.revision);
        answer::read_many(&json, credentials.len(), revision).map_err(VerifyError::Answer)
    }
}

/// Shows where it asks and as whom, and no secret.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("introspect", &self.inner.introspect)
            .field("client_id", &self.inner.client_id)
            .finish_non_exhaustive()
    }
}
