//! Mail: which transport, under which letterhead, and what is counted of it.

use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use symbolon_core::letter::LetterState;
use symbolon_core::names::EmailAddress;
use symbolon_http::Front;
use symbolon_mail::{Delivery, Letterhead, MailTarget, Mailbox, Message, SmtpTransport, Transport};

use super::listeners::Bound;
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// What the courier needs.
pub(super) struct Office {
    pub(super) letterhead: Letterhead,
    pub(super) transport: Arc<dyn Transport>,
}

/// The post office; `None` where mail waits in the outbox.
///
/// # Errors
/// A mail server whose certificates to trust cannot be loaded.
pub(super) fn open(
    config: &Config,
    bound: &Bound,
    mailbox: Option<&Arc<Mailbox>>,
) -> Result<Option<Office>, Failure> {
    let transport: Arc<dyn Transport> = match (mailbox, &config.mail) {
        (Some(mailbox), _) => Arc::<Mailbox>::clone(mailbox),
        (None, MailTarget::Smtp(target)) => {
            let smtp = SmtpTransport::new(target, &bound.public_url);
            Arc::new(smtp.map_err(|error| Failure::because(Exit::Failed, "mail", &error))?)
        }
        (None, MailTarget::None | MailTarget::Mailbox) => return Ok(None),
    };
    let letterhead = Letterhead {
        organization: config.organization.clone(),
        from: sender(config, &bound.public_url)?,
        public_url: bound.public_url.clone(),
    };
    Ok(Some(Office { letterhead, transport }))
}

/// The configured sender, or `symbolon@` and the host of the public URL.
fn sender(config: &Config, public_url: &str) -> Result<EmailAddress, Failure> {
    if let Some(from) = &config.mail_from {
        return Ok(from.clone());
    }
    let host = public_url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_owned));
    let from = EmailAddress::parse(&format!("symbolon@{}", host.unwrap_or_default()));
    // An IPv6 address is no domain of a plain e-mail address.
    from.or_else(|_| EmailAddress::parse("symbolon@localhost"))
        .map_err(|fault| Failure::new(Exit::Usage, format!("mail_from {fault}")))
}

/// The transport with its deliveries counted for the metrics.
pub(super) fn counted(transport: Arc<dyn Transport>, front: Arc<Front>) -> Arc<dyn Transport> {
    Arc::new(Counted { transport, front })
}

#[derive(Debug)]
struct Counted {
    transport: Arc<dyn Transport>,
    front: Arc<Front>,
}

#[async_trait]
impl Transport for Counted {
    async fn deliver(&self, message: &Message) -> Delivery {
        let delivery = self.transport.deliver(message).await;
        self.front.metrics.count_letter(match delivery {
            Delivery::HandedOver { .. } => LetterState::HandedOver,
            Delivery::TryLater { .. } => LetterState::Waiting,
            Delivery::Refused { .. } => LetterState::Refused,
        });
        delivery
    }

    fn at_once(&self) -> usize {
        self.transport.at_once()
    }
}
