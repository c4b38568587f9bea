//! How long verifications take beside a flood of logins.
//!
//! The verifications come on a fixed schedule, a thousand in a second on a few connections, whether or not
//! those before were answered, and each is measured from the instant at which it was due: what queues
//! counts. The flood is a closed loop of 64 clients, each from an address of its own, half with the
//! right password, half with names that there are not. Server, flood and schedule share both cores.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::Extent;
use crate::authority::{PASSWORD, name_of};
use crate::figure::{Figure, ratio};
use crate::verification::http::{Client, request};
use crate::verification::population::Population;
use crate::verification::server::{Cores, Server, pause};
use crate::verification::wire::forward_auth;

const PER_SECOND: u32 = 1000;
const CONNECTIONS: usize = 16;
const FLOODERS: u8 = 64;
const MOST_RATIO: f64 = 2.0;

/// Takes and prints the figures.
pub(crate) fn measure(population: &Population, extent: Extent) {
    println!(
        "\nVerifications beside a flood of logins: {PER_SECOND}/s forward-auth on {CONNECTIONS} \
         connections, open loop; {FLOODERS} clients logging in by SOAP; all on both cores"
    );
    let server = Server::symbolon(&population.data_dir, Cores::All);
    server.wait_until("/readyz");
    server.wait_for(&forward_auth(&population.sessions[0]));
    let length = Duration::from_secs(extent.pick(6, 2));
    let mut unloaded = Taken::named("unloaded");
    let mut flooded = Taken::named("beside the flood");
    let mut logins =
        [("logins admitted", 200), ("logins refused", 500), ("logins told to come later", 503)]
            .map(|(name, status)| (Figure::new(name, "/s", 1), status));
    verify_on_schedule(&server, population, Duration::from_secs(1));
    for _ in 0..extent.pick(5, 1) {
        unloaded.push(verify_on_schedule(&server, population, length));
        let (latencies, answered) = beside_flood(&server, || {
            // Let every flooder stand in line first.
            pause(Duration::from_secs(1));
            verify_on_schedule(&server, population, length)
        });
        flooded.push(latencies);
        for (figure, status) in &mut logins {
            figure.push(answered.per_second(*status));
        }
    }
    let p99 = ratio("p99 beside the flood / unloaded", flooded.p99.rounds(), unloaded.p99.rounds());
    p99.print_against(MOST_RATIO);
    for taken in [&unloaded, &flooded] {
        taken.p50.print();
        taken.p99.print();
        taken.most.print();
    }
    for (figure, _) in &logins {
        figure.print();
    }
}

/// Latencies, round by round.
struct Taken {
    p50: Figure,
    p99: Figure,
    most: Figure,
}

impl Taken {
    fn named(name: &str) -> Self {
        let figure = |what: &str| Figure::new(format!("{name}: {what}"), " ms", 2);
        Self { p50: figure("median"), p99: figure("p99"), most: figure("longest") }
    }

    fn push(&mut self, mut latencies: Vec<Duration>) {
        latencies.sort_unstable();
        let ms = |at: usize| latencies[at.min(latencies.len() - 1)].as_secs_f64() * 1000.0;
        self.p50.push(ms(latencies.len() / 2));
        self.p99.push(ms(latencies.len() * 99 / 100));
        self.most.push(ms(latencies.len()));
    }
}

/// Latencies of verifications that were due one after the other for so long.
fn verify_on_schedule(server: &Server, population: &Population, length: Duration) -> Vec<Duration> {
    let count = usize::try_from(length.as_secs()).expect("seconds") * PER_SECOND as usize;
    let interval = Duration::from_secs(1) / PER_SECOND;
    // Time to connect.
    let begin = Instant::now() + Duration::from_millis(50);
    let on_connection = |first: usize| {
        let mut client = Client::connect(server.port).expect("the server listens");
        let mut latencies = Vec::with_capacity(count / CONNECTIONS + 1);
        for number in (first..count).step_by(CONNECTIONS) {
            let session = &population.sessions[number * 7 % population.sessions.len()];
            let request = forward_auth(session);
            let due = begin + interval * u32::try_from(number).expect("few requests");
            pause(due.saturating_duration_since(Instant::now()));
            let status = client.exchange(&request).expect("the server answers");
            latencies.push(due.elapsed());
            assert_eq!(status, 200, "the credential is good");
        }
        latencies
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CONNECTIONS).map(|first| scope.spawn(move || on_connection(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// What the flood was answered.
struct Answered {
    statuses: Vec<(u16, AtomicU64)>,
    seconds: f64,
}

impl Answered {
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    fn per_second(&self, status: u16) -> f64 {
        let of_status = self.statuses.iter().filter(|(each, _)| *each == status);
        of_status.map(|(_, count)| count.load(Ordering::Relaxed)).sum::<u64>() as f64 / self.seconds
    }
}

fn beside_flood<T>(server: &Server, work: impl FnOnce() -> T) -> (T, Answered) {
    let connect = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let clients: Vec<Client> = connect.expect("a runtime").block_on(async {
        let mut clients = Vec::new();
        for flooder in 0..FLOODERS {
            let source = Ipv4Addr::new(127, 0, 1, flooder + 1);
            clients.push(Client::connect_from(source, server.port).await.expect("it listens"));
        }
        clients
    });
    let mut answered = Answered {
        statuses: [200, 500, 503].map(|status| (status, AtomicU64::new(0))).into(),
        seconds: 0.0,
    };
    let stopped = AtomicBool::new(false);
    let begun = Instant::now();
    let taken = thread::scope(|scope| {
        for (flooder, client) in clients.into_iter().enumerate() {
            let (stopped, statuses) = (&stopped, &answered.statuses);
            scope.spawn(move || flood(client, &login(flooder), stopped, statuses));
        }
        let taken = work();
        stopped.store(true, Ordering::Relaxed);
        taken
    });
    answered.seconds = begun.elapsed().as_secs_f64();
    (taken, answered)
}

fn flood(mut client: Client, login: &[u8], stopped: &AtomicBool, statuses: &[(u16, AtomicU64)]) {
    while !stopped.load(Ordering::Relaxed) {
        let answer = client.exchange(login).expect("the server answers logins");
        let count = statuses.iter().find(|(status, _)| *status == answer);
        let (_, count) = count.expect("a login is admitted, refused or told to come later");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A login by SOAP: of the first half of the flood with the right password, from a trusted network; of
/// the others under names that there are not.
fn login(flooder: usize) -> Vec<u8> {
    let exists = flooder < usize::from(FLOODERS) / 2;
    let username = if exists { name_of(flooder) } else { format!("nobody{flooder}@example.com") };
    let urn = "urn:partner.soap.sforce.com";
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body>\
         <n1:login xmlns:n1=\"{urn}\"><n1:username>{username}</n1:username>\
         <n1:password>{PASSWORD}</n1:password></n1:login></env:Body></env:Envelope>"
    );
    let headers = [("Content-Type", "text/xml; charset=UTF-8"), ("SOAPAction", "login")];
    request("POST /services/Soap/u/59.0", &headers, &envelope)
}
