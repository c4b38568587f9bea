//! What somebody must know whatever page they open: mail that waits or was refused, a second factor that is
//! owed.

use symbolon_app::second_factors::{self, Owed};
use symbolon_app::sessions::LiveSession;
use symbolon_app::{AppError, Ctx, mail_status};
use symbolon_core::Timestamp;
use symbolon_core::letter::LetterState;

use crate::pages::view::letter_words::kind_words;
use crate::pages::view::moment::{counted, plain};

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What is the matter, in whole sentences.
    pub(crate) text: String,
    /// Where something can be done about it.
    pub(crate) path: &'static str,
    /// What the link there says.
    pub(crate) link: &'static str,
}

/// The notices for the holder of `session`.
pub(crate) async fn for_session(ctx: &Ctx, session: &LiveSession) -> Result<Vec<Notice>, AppError> {
    let mut notices = Vec::new();
    if session.administrator {
        notices.extend(of_outbox(ctx).await?);
    }
    for letter in mail_status::troubles_of(ctx, session.user).await? {
        let what = kind_words(letter.kind);
        let when = letter.ended_at.map(plain).unwrap_or_default();
        let words = letter.last_reply.as_deref().unwrap_or("nothing");
        let text = match letter.state {
            LetterState::Refused => format!(
                "A mail to you did not arrive ({what}): on {when} your mail server refused it and said “{words}”."
            ),
            LetterState::TooOld => format!(
                "A mail to you did not arrive ({what}): until {when} no mail server took it. The last one said “{words}”."
            ),
            LetterState::Waiting
            | LetterState::Leased
            | LetterState::HandedOver
            | LetterState::Superseded => continue,
        };
        notices.push(Notice {
            text,
            path: "/setup/personal-information",
            link: "Check your email address",
        });
    }
    let owed = second_factors::owed(ctx, session.user).await?;
    notices.extend(of_duty(owed, ctx.clock.now()));
    Ok(notices)
}

/// What becomes of whoever does not enrol what his profile demands, and from when.
fn of_duty(owed: Owed, now: Timestamp) -> Vec<Notice> {
    let on_the_web = (
        "a second factor",
        "a log-in opens the page Second Factors and nothing else until you have",
    );
    let at_apis = (
        "the code of an authenticator app at APIs",
        "programs that log in as you are refused until you have",
    );
    let both = (
        "a second factor, which at APIs is the code of an authenticator app",
        "a log-in opens the page Second Factors and nothing else, and programs that log in as you are refused, \
         until you have",
    );
    let debts = match (owed.on_the_web, owed.at_apis) {
        (Some(web), Some(apis)) if web == apis => vec![(web, both)],
        (web, apis) => {
            let web = web.map(|by| (by, on_the_web));
            web.into_iter().chain(apis.map(|by| (by, at_apis))).collect()
        }
    };
    let notice = |(by, (what, consequence)): (Timestamp, (&str, &str))| {
        let date = plain(by);
        let text = if now < by {
            format!("Your profile demands {what}: enrol by {date}. From then on {consequence}.")
        } else {
            format!("Your profile demands {what}, and you were to enrol by {date}: {consequence}.")
        };
        Notice { text, path: "/setup/second-factors", link: "Open Second Factors" }
    };
    debts.into_iter().map(notice).collect()
}

async fn of_outbox(ctx: &Ctx) -> Result<Vec<Notice>, AppError> {
    let outbox = mail_status::summary(ctx).await?;
    let count = |letters: i64| counted(u64::try_from(letters).unwrap_or(0), "letter");
    let mut notices = Vec::new();
    if !ctx.settings.mail_configured.is_on() {
        notices.push(Notice {
            text: format!(
                "No mail server is configured: mail waits in the outbox ({} now), and no new security \
                 token reaches its owner. Start the server with --mail.",
                count(outbox.waiting)
            ),
            path: "/setup/mail",
            link: "Open the outbox",
        });
    }
    if outbox.refused > 0 {
        notices.push(Notice {
            text: format!("In the last 30 days mail servers refused {}.", count(outbox.refused)),
            path: "/setup/mail",
            link: "See which and why",
        });
    }
    Ok(notices)
}
