//! Verification over the wire: what it costs the server beside a handler that does nothing.
//!
//! All servers are up, on one core; who asks has the other; each round asks every one in turn. Judged is
//! the server's own time for each request that was answered, user mode and kernel, asked by a client that
//! never sleeps: rates swing with whatever else the machine does, and are printed, as wrk tells them, for
//! the curious.

use std::time::Duration;

use crate::Extent;
use crate::figure::{Figure, ratio};
use crate::verification::empty_handler::{LIKE_FORWARD_AUTH, LIKE_INTROSPECTION};
use crate::verification::http::{Client, request};
use crate::verification::load::{self, Requests};
use crate::verification::population::Population;
use crate::verification::server::{Cores, Server, pause};
use crate::verification::spin;

const IN_BATCH: usize = 100;
/// Nearly the cost of an empty answer: forward-auth, introspection.
const MOST_FORWARD_AUTH: f64 = 1.2;
const MOST_INTROSPECTION: f64 = 1.3;
const MOST_IN_BATCH: f64 = 0.05;

/// Sessions that are presented in turn, a request each.
const PRESENTED: usize = 1000;
/// The scribe's round, and time to write.
const SCRIBE_ROUND: Duration = Duration::from_secs(13);

/// Takes and prints the figures.
pub(crate) fn measure(population: &Population, extent: Extent) {
    let bench = Bench::open(population);
    println!(
        "\nCPU per request over HTTP/1.1, keep-alive: {} credentials of {} users in the server, \
         {PRESENTED} sessions presented in turn",
        population.credentials(),
        population.users,
    );
    // Code, connections and the allocator come to rest.
    for target in &bench.targets {
        target.ask_awake(8);
    }
    for connections in extent.pick(&[8, 64][..], &[8]) {
        print_costs(&bench.take_costs(*connections, extent.pick(7, 1)), *connections);
    }
    for connections in extent.pick(&[1, 8, 64][..], &[8]) {
        println!("\n answers over {connections} connections, asked by wrk");
        for rates in bench.take_rates(*connections, extent.pick(3, 1)) {
            rates.print();
        }
    }
    if extent == Extent::Whole {
        println!();
        bench.print_cost_of_notes(population);
    }
}

/// Everything that is asked.
struct Bench {
    symbolon: Server,
    empty: Server,
    empty_axum: Server,
    nginx: Option<Server>,
    targets: Vec<Target>,
}

/// Whose time is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Empty,
    EmptyAxum,
    Symbolon,
    Nginx,
    NginxAndSymbolon,
}

struct Target {
    name: &'static str,
    whose: Whose,
    port: u16,
    requests: Vec<Vec<u8>>,
    /// The same, for wrk.
    for_wrk: Requests,
}

/// How long a server is asked before the next.
const TURN: Duration = Duration::from_secs(1);

impl Target {
    fn ask_awake(&self, connections: usize) -> f64 {
        spin::ask(self.port, &self.requests, connections, TURN)
    }
}

const EMPTY: &str = "empty handler";
const EMPTY_AXUM: &str = "empty handler behind axum's router";
const FORWARD_AUTH: &str = "forward-auth";
const INTROSPECTION: &str = "introspection";
const BATCH: &str = "batch of 100";

impl Bench {
    fn open(population: &Population) -> Self {
        let folder = population.data_dir.parent().expect("it lies in a folder");
        let symbolon = Server::symbolon(&population.data_dir, Cores::One);
        symbolon.wait_until("/readyz");
        symbolon.wait_for(&forward_auth(&population.sessions[0]));
        let empty = Server::empty_handler(folder, "empty-handler");
        let empty_axum = Server::empty_handler(folder, "empty-axum-handler");
        let nginx = Server::nginx(folder, |port| nginx_configuration(folder, port, symbolon.port));
        let presented = &population.sessions[..PRESENTED];
        let introspections = || presented.iter().map(|id| introspection(population, id));
        let write = |name: &str, requests: &[Vec<u8>]| Requests::write(folder, name, requests);
        let get = |path: &str| vec![request(&format!("GET {path}"), &[], "")];
        let asked: Vec<Vec<u8>> = presented.iter().map(|id| forward_auth(id)).collect();
        let like = |path: &str| {
            let like = |asked: &Vec<u8>| renamed(asked, FORWARD_AUTH_PATH, path);
            asked.iter().map(like).collect()
        };
        let like_introspection =
            introspections().map(|asked| renamed(&asked, INTROSPECT_PATH, LIKE_INTROSPECTION));
        let batches = presented.chunks(IN_BATCH).map(|ids| batch(population, ids));
        let target = |name, whose, server: &Server, file: &str, requests: Vec<Vec<u8>>| Target {
            name,
            whose,
            port: server.port,
            for_wrk: write(file, &requests),
            requests,
        };
        let mut targets = vec![
            target(EMPTY, Whose::Empty, &empty, "empty", get("/")),
            target(EMPTY_AXUM, Whose::EmptyAxum, &empty_axum, "empty-axum", get("/")),
            target(FORWARD_AUTH, Whose::Symbolon, &symbolon, "forward-auth", asked.clone()),
            target(
                INTROSPECTION,
                Whose::Symbolon,
                &symbolon,
                "introspect",
                introspections().collect(),
            ),
            target(BATCH, Whose::Symbolon, &symbolon, "batch", batches.collect()),
            target(
                "the bytes of forward-auth, undecided",
                Whose::Empty,
                &empty,
                "like-forward-auth",
                like(LIKE_FORWARD_AUTH),
            ),
            target(
                "the bytes of introspection, undecided",
                Whose::Empty,
                &empty,
                "like-introspection",
                like_introspection.collect(),
            ),
        ];
        if let Some(nginx) = &nginx {
            let whose = Whose::NginxAndSymbolon;
            let guarded = asked.iter().map(|asked| renamed(asked, FORWARD_AUTH_PATH, "/guarded"));
            targets.push(target(
                "nginx, return 204",
                Whose::Nginx,
                nginx,
                "nginx-204",
                get("/nothing"),
            ));
            targets.push(target(
                "nginx, a small file",
                Whose::Nginx,
                nginx,
                "nginx-file",
                get("/open"),
            ));
            targets.push(target(
                "nginx, the same behind auth_request to us",
                whose,
                nginx,
                "nginx-guarded",
                guarded.collect(),
            ));
        } else {
            println!("(nginx is not installed: its figures are left out)");
        }
        Self { symbolon, empty, empty_axum, nginx, targets }
    }

    /// The server's time for a request of each target, in as many rounds.
    fn take_costs(&self, connections: usize, rounds: usize) -> Vec<(&'static str, Figure)> {
        self.take(rounds, " µs", 2, |target| {
            let before = self.cpu_of(target.whose);
            let answered = target.ask_awake(connections);
            (self.cpu_of(target.whose) - before) / answered
        })
    }

    /// What wrk makes of each target, in as many rounds.
    fn take_rates(&self, connections: usize, rounds: usize) -> Vec<Figure> {
        let taken = self.take(rounds, "/s", 0, |target| {
            load::ask(target.port, &target.for_wrk, connections, TURN)
        });
        taken.into_iter().map(|(_, figure)| figure).collect()
    }

    /// Each round takes one of every target.
    fn take(
        &self,
        rounds: usize,
        unit: &'static str,
        decimals: usize,
        take_one: impl Fn(&Target) -> f64,
    ) -> Vec<(&'static str, Figure)> {
        let none = |target: &Target| (target.name, Figure::new(target.name, unit, decimals));
        let mut taken: Vec<_> = self.targets.iter().map(none).collect();
        for _ in 0..rounds {
            for (target, (_, figure)) in self.targets.iter().zip(&mut taken) {
                figure.push(take_one(target));
            }
        }
        taken
    }

    /// Uses are written down between the requests, once in ten seconds for each credential and place:
    /// how much that costs depends on how many are used, not on how often, and is told apart.
    fn print_cost_of_notes(&self, population: &Population) {
        pause(SCRIBE_ROUND);
        let fresh = &population.sessions[PRESENTED..];
        let mut client = Client::connect(self.symbolon.port).expect("the server listens");
        for session in fresh {
            let status = client.exchange(&forward_auth(session)).expect("the server answers");
            assert_eq!(status, 200, "the credential is good");
        }
        let before = self.symbolon.cpu_us();
        pause(SCRIBE_ROUND);
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let each = (self.symbolon.cpu_us() - before) / fresh.len() as f64;
        let name = "writing one use down, once in ten seconds for each credential in use";
        Figure::of(name, " µs", 0, [each]).print();
    }

    fn cpu_of(&self, whose: Whose) -> f64 {
        let nginx = self.nginx.as_ref().map_or(0.0, Server::cpu_us);
        match whose {
            Whose::Empty => self.empty.cpu_us(),
            Whose::EmptyAxum => self.empty_axum.cpu_us(),
            Whose::Symbolon => self.symbolon.cpu_us(),
            Whose::Nginx => nginx,
            Whose::NginxAndSymbolon => nginx + self.symbolon.cpu_us(),
        }
    }
}

fn print_costs(taken: &[(&'static str, Figure)], connections: usize) {
    let of = |name: &str| -> &[f64] {
        let taken = taken.iter().find(|(taken, _)| *taken == name).expect("it was taken");
        taken.1.rounds()
    };
    println!("\n CPU per request over {connections} connections");
    ratio("forward-auth / empty handler", of(FORWARD_AUTH), of(EMPTY))
        .print_against(MOST_FORWARD_AUTH);
    ratio("introspection / empty handler", of(INTROSPECTION), of(EMPTY))
        .print_against(MOST_INTROSPECTION);
    for name in [FORWARD_AUTH, INTROSPECTION] {
        ratio(format!("{name} / {EMPTY_AXUM}"), of(name), of(EMPTY_AXUM)).print();
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let each: Vec<f64> = of(BATCH).iter().map(|batch| batch / IN_BATCH as f64).collect();
    ratio("credential in a batch of 100 / introspection", &each, of(INTROSPECTION))
        .print_against(MOST_IN_BATCH);
    for (_, cost) in taken {
        cost.print();
    }
}

const FORWARD_AUTH_PATH: &str = "/authz/forward-auth";
const INTROSPECT_PATH: &str = "/services/oauth2/introspect";

/// What a proxy asks of a session.
pub(crate) fn forward_auth(session: &str) -> Vec<u8> {
    let authorization = format!("Bearer {session}");
    let headers = [("Authorization", authorization.as_str())];
    request(&format!("GET {FORWARD_AUTH_PATH}"), &headers, "")
}

fn introspection(population: &Population, session: &str) -> Vec<u8> {
    let headers = [
        ("Authorization", population.client.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    // The exclamation mark of a session id is the one character that a form escapes.
    let body = format!("token={}", session.replace('!', "%21"));
    request(&format!("POST {INTROSPECT_PATH}"), &headers, &body)
}

fn batch(population: &Population, sessions: &[String]) -> Vec<u8> {
    let headers =
        [("Authorization", population.client.as_str()), ("Content-Type", "application/json")];
    let body = format!("{{\"credentials\":[\"{}\"]}}", sessions.join("\",\""));
    request("POST /api/v1/verify", &headers, &body)
}

/// The same request to another path.
fn renamed(request: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(request).replacen(from, to, 1).into_bytes()
}

fn nginx_configuration(folder: &std::path::Path, port: u16, symbolon: u16) -> String {
    let folder = folder.canonicalize().expect("it is there");
    let folder = folder.display();
    format!(
        "daemon off; master_process off; user root; pid {folder}/nginx.pid;
         events {{ worker_connections 1024; }}
         http {{
           access_log off;
           keepalive_requests 1000000000;
           client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
           fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi;
           scgi_temp_path {folder}/nginx-scgi;
           upstream symbolon {{ server 127.0.0.1:{symbolon}; keepalive 64; keepalive_requests 1000000000; }}
           server {{
             listen 127.0.0.1:{port};
             location = /nothing {{ return 204; }}
             location = /open {{ empty_gif; }}
             location = /guarded {{ auth_request /asked; empty_gif; }}
             location = /asked {{
               internal;
               proxy_pass http://symbolon/authz/auth-request;
               proxy_http_version 1.1;
               proxy_set_header Connection '';
               proxy_pass_request_body off;
               proxy_set_header Content-Length '';
             }}
           }}
         }}"
    )
}
