//! What is counted, for Prometheus.
//!
//! No label ever holds a user, an address or anything else that a stranger chooses: label values come
//! from closed sets (route patterns, methods of HTTP, our own words), so the number of series is
//! bounded.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use symbolon_app::AppError;
use symbolon_app::hashing::{Hasher, TurnedAway};
use symbolon_app::login::{Head, LoginError};
use symbolon_app::verify::NoAdmission;
use symbolon_core::letter::LetterState;

/// Media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route label of requests that no route takes.
const UNMATCHED: &str = "unmatched";

/// Seconds. A page takes milliseconds, a login the time of its password hash, nothing more than the
/// request's time limit.
const BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    logins: Family<LoginLabels, Counter>,
    resets: Counter,
    letters: Family<LetterLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    letters_waiting: Gauge,
    verifications: Verifications,
    letters_refused: Gauge,
    hashes_waiting: Gauge,
    hashes_turned_away: Family<CauseLabels, Counter>,
    hashes: Counter,
    hashes_rescued: Counter,
    live: LiveGauges,
}

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The credential is accepted.
    Allowed,
    /// It is not.
    Refused,
    /// It is accepted, and not here.
    Forbidden,
    /// This node could not know.
    CannotKnow,
    /// Who asked about it has not proved to be a client of ours.
    Unauthorised,
}

impl Outcome {
    const ALL: [Self; 5] =
        [Self::Allowed, Self::Refused, Self::Forbidden, Self::CannotKnow, Self::Unauthorised];

    /// The outcome of a verification without further demands.
    pub fn of<T>(verified: &Result<T, NoAdmission>) -> Self {
        match verified {
            Ok(_) => Self::Allowed,
            Err(NoAdmission::Refused(_)) => Self::Refused,
            Err(NoAdmission::CannotKnow) => Self::CannotKnow,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::CannotKnow => "cannot-know",
            Self::Unauthorised => "unauthorised",
        }
    }
}

/// The heads that verify.
const VERIFIERS: [Head; 6] = [
    Head::Introspection,
    Head::Verify,
    Head::ForwardAuth,
    Head::AuthRequest,
    Head::ExtAuthz,
    Head::ExtAuthzGrpc,
];

/// Counters of verifications, at hand without a look-up.
#[derive(Debug)]
struct Verifications([[Counter; Outcome::ALL.len()]; VERIFIERS.len()]);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerificationLabels {
    head: &'static str,
    outcome: &'static str,
}

impl Verifications {
    fn of(family: &Family<VerificationLabels, Counter>) -> Self {
        Self(VERIFIERS.map(|head| {
            Outcome::ALL.map(|outcome| {
                let labels = VerificationLabels { head: head.word(), outcome: outcome.word() };
                family.get_or_create_owned(&labels)
            })
        }))
    }
}

/// How the live view stands.
#[derive(Debug, Default)]
struct LiveGauges {
    credentials: Gauge,
    applied: Gauge,
    open: Gauge,
    dropped_notes: Gauge,
    left_out: Gauge,
}

impl LiveGauges {
    fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("live_credentials", "Sessions and tokens in the live view", &self.credentials),
            ("live_revision", "Last revision that the live view has applied", &self.applied),
            ("live_view_open", "1 while verifications are answered from memory", &self.open),
            ("notes_dropped", "Uses and refusals that were not written down", &self.dropped_notes),
            ("live_left_out", "Credentials that found no room in the live view", &self.left_out),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    head: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LetterLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

impl Metrics {
    /// Counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("symbolon");
        let verifications = Family::default();
        let metrics = Self {
            logins: Family::default(),
            resets: Counter::default(),
            letters: Family::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            letters_waiting: Gauge::default(),
            verifications: Verifications::of(&verifications),
            live: LiveGauges::default(),
            letters_refused: Gauge::default(),
            hashes_waiting: Gauge::default(),
            hashes_turned_away: Family::default(),
            hashes: Counter::default(),
            hashes_rescued: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("logins", "Logins by head and outcome", metrics.logins.clone());
        registry.register("verifications", "Verifications by head and outcome", verifications);
        registry.register("token_resets", "Resets of security tokens", metrics.resets.clone());
        registry.register(
            "letters",
            "Attempts to hand a letter over, by the state that it is in afterwards",
            metrics.letters.clone(),
        );
        registry.register(
            "http_requests",
            "Requests by route, method and status",
            metrics.requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from the request's head to the answer's",
            metrics.durations.clone(),
        );
        registry.register(
            "letters_waiting",
            "Letters in the outbox that are not handed over yet",
            metrics.letters_waiting.clone(),
        );
        registry.register(
            "letters_refused",
            "Letters of the last 30 days that a mail server refused for good",
            metrics.letters_refused.clone(),
        );
        registry.register(
            "hashes_waiting",
            "Requests that wait for a thread to hash a password on",
            metrics.hashes_waiting.clone(),
        );
        registry.register(
            "hashes_turned_away",
            "Requests that were answered 429, because the line was full or their address had its share",
            metrics.hashes_turned_away.clone(),
        );
        registry.register("hashes", "Passwords hashed", metrics.hashes.clone());
        registry.register(
            "hashes_rescued",
            "Hashes done at normal priority, because the threads at idle priority had done none for a second",
            metrics.hashes_rescued.clone(),
        );
        metrics.live.register(&mut registry);
        Self { registry, ..metrics }
    }

    /// Counts a login by what came of it.
    pub fn count_login<T>(&self, head: Head, result: &Result<T, LoginError>) {
        let outcome = match result {
            Ok(_) => "admitted",
            Err(LoginError::Refused(_)) => "refused",
            Err(LoginError::App(AppError::TooMany { .. })) => "turned-away",
            Err(LoginError::App(_)) => "failed",
        };
        self.logins.get_or_create(&LoginLabels { head: head.word(), outcome }).inc();
    }

    /// Counts a login that was refused before its credential was looked at.
    pub fn count_unread_login(&self, head: Head) {
        self.logins.get_or_create(&LoginLabels { head: head.word(), outcome: "refused" }).inc();
    }

    /// Notes how the live view stands now.
    pub fn note_live_view(&self, credentials: usize, applied: i64, open: bool) {
        self.live.credentials.set(i64::try_from(credentials).unwrap_or(i64::MAX));
        self.live.applied.set(applied);
        self.live.open.set(i64::from(open));
    }

    /// Notes what was dropped since the start because there was no room.
    pub fn note_losses(&self, notes: u64, credentials: u64) {
        self.live.dropped_notes.set(i64::try_from(notes).unwrap_or(i64::MAX));
        self.live.left_out.set(i64::try_from(credentials).unwrap_or(i64::MAX));
    }

    /// Counts a verification by what came of it.
    pub fn count_verification(&self, head: Head, outcome: Outcome) {
        self.count_verifications(head, outcome, 1);
    }

    /// Counts verifications of which the same came.
    pub(crate) fn count_verifications(&self, head: Head, outcome: Outcome, times: usize) {
        let counters = VERIFIERS.iter().position(|verifier| *verifier == head);
        if let Some(counters) = counters.map(|head| &self.verifications.0[head]) {
            counters[outcome as usize].inc_by(times as u64);
        }
    }

    /// Counts a reset of a security token.
    pub fn count_reset(&self) {
        self.resets.inc();
    }

    /// Counts an attempt to hand a letter over that left it in `state`.
    pub fn count_letter(&self, state: LetterState) {
        self.letters.get_or_create(&LetterLabels { result: state.word() }).inc();
    }

    /// Notes how the outbox stands now.
    pub fn note_outbox(&self, waiting: i64, refused: i64) {
        self.letters_waiting.set(waiting);
        self.letters_refused.set(refused);
    }

    /// Notes how the line before the hashing threads stands now.
    pub(crate) fn note_hashing(&self, hasher: &Hasher) {
        self.hashes_waiting.set(i64::try_from(hasher.waiting()).unwrap_or(i64::MAX));
        let TurnedAway { line_full, share_taken } = hasher.turned_away();
        for (cause, count) in [("line-full", line_full), ("share-taken", share_taken)] {
            let counter = self.hashes_turned_away.get_or_create(&CauseLabels { cause });
            // The pool counts; of two readers at once the later figure stays.
            counter.inner().fetch_max(count, Ordering::Relaxed);
        }
        self.hashes.inner().fetch_max(hasher.asked_for(), Ordering::Relaxed);
        self.hashes_rescued.inner().fetch_max(hasher.rescued(), Ordering::Relaxed);
    }

    /// Counts a request. `route` is the pattern that it matched.
    pub(crate) fn observe_request(
        &self,
        route: Option<&str>,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        let route = route.unwrap_or(UNMATCHED).to_owned();
        let method = method_word(method);
        self.durations
            .get_or_create(&RouteLabels { route: route.clone(), method })
            .observe(duration.as_secs_f64());
        let status = u32::from(status.as_u16());
        self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }

    /// The exposition, in `OpenMetrics` text; empty if it cannot be written.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The method as a word of ours: strangers may send any text for one.
pub(crate) fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use symbolon_app::hashing::Asker;

    use super::*;

    #[test]
    fn counters_are_rendered_under_their_names() {
        let metrics = Metrics::new();

        metrics.count_reset();
        metrics.count_letter(LetterState::HandedOver);
        metrics.count_unread_login(Head::SoapPartner);
        metrics.note_outbox(3, 1);
        let hasher = Hasher::start_at_normal_priority(1, 2).unwrap();
        let line: Vec<_> = (0..4).map(|_| hasher.line_up(Asker::Operator)).collect();
        metrics.note_hashing(&hasher);
        metrics.note_hashing(&hasher);
        let fast = Duration::from_millis(4);
        metrics.observe_request(Some("/login"), &Method::GET, StatusCode::OK, fast);
        let method = Method::from_bytes(b"MADEUP").unwrap();
        metrics.observe_request(None, &method, StatusCode::NOT_FOUND, fast);
        let text = metrics.render();
        drop(line);

        for line in [
            "symbolon_token_resets_total 1",
            r#"symbolon_letters_total{result="handed-over"} 1"#,
            r#"symbolon_logins_total{head="soap-partner",outcome="refused"} 1"#,
            "symbolon_letters_waiting 3",
            "symbolon_hashes_waiting 3",
            r#"symbolon_hashes_turned_away_total{cause="line-full"} 1"#,
            r#"symbolon_hashes_turned_away_total{cause="share-taken"} 0"#,
            "symbolon_hashes_total 0",
            "symbolon_hashes_rescued_total 0",
            r#"symbolon_http_requests_total{route="/login",method="GET",status="200"} 1"#,
            r#"symbolon_http_requests_total{route="unmatched",method="other",status="404"} 1"#,
            r#"symbolon_http_request_duration_seconds_bucket{le="0.005",route="/login",method="GET"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
