//! What is asked, what each answer means, and what becomes of answers that are none.

use std::time::Duration;

use symbolon_client::{
    AtLeast, Config, ConfigError, MOST_CREDENTIALS, Presenter, Unreadable, Verification, Verifier,
    VerifyError,
};

use crate::authority::{Asked, Authority, INACTIVE, Reply, active, json};
use crate::chain;

#[tokio::test]
async fn a_good_credential_is_active_and_somebodys() {
    let authority = Authority::answering(|asked| json(active(asked.credential()))).await;

    let verdict = authority.verifier().verify("good").await.unwrap();

    let Verification::Active(holder) = verdict else { panic!("{verdict:?}") };
    assert_eq!(holder.sub, "good");
    assert_eq!(holder.username, "good@example.com");
    assert_eq!(holder.revision, 7);
}

#[tokio::test]
async fn any_other_credential_is_inactive() {
    let authority = Authority::answering(|_| json(INACTIVE)).await;

    assert_eq!(authority.verifier().verify("junk").await.unwrap(), Verification::Inactive);
}

#[tokio::test]
async fn the_question_is_a_form_with_the_clients_proof() {
    let authority = Authority::answering(|_| json(INACTIVE)).await;
    let at_least = AtLeast::revision(42).within(Duration::from_millis(250));

    let verifier = authority.verifier();
    let _ = verifier.verify("a&b=c").await.unwrap();
    let _ = verifier.verify_at_least("t", 42).await.unwrap();
    let _ = verifier.verify_at_least("t", at_least).await.unwrap();
    let told = verifier.presented_by(Presenter::at([192, 0, 2, 7]).with_agent("curl/8.5.0"));
    let _ = told.verify("t").await.unwrap();

    let asked = authority.asked();
    assert_eq!(
        asked[0],
        Asked {
            line: "POST /services/oauth2/introspect".to_owned(),
            authorization: "Basic Y2xpZW50OnRoZStzZWNyZXQ=".to_owned(),
            media_type: "application/x-www-form-urlencoded".to_owned(),
            body: "token=a%26b%3Dc".to_owned(),
        }
    );
    assert_eq!(asked[1].body, "token=t&min_revision=42");
    assert_eq!(asked[2].body, "token=t&min_revision=42&deadline_ms=250");
    assert_eq!(asked[3].body, "token=t&client_address=192.0.2.7&client_agent=curl%2F8.5.0");
}

#[tokio::test]
async fn an_authority_below_a_path_is_asked_there() {
    let authority = Authority::answering(|_| json(INACTIVE)).await;
    let config = Config::new(authority.url() + "/tokens/", "client", "secret".to_owned());

    let _ = Verifier::new(config).unwrap().verify("t").await.unwrap();

    assert_eq!(authority.asked()[0].line, "POST /tokens/services/oauth2/introspect");
}

#[tokio::test]
async fn a_batch_is_one_question_and_its_verdicts_keep_their_order() {
    let authority = Authority::answering(|_| {
        let (first, last) = (active("first"), active("last"));
        json(format!(r#"{{"revision":7,"results":[{first},{INACTIVE},{last}]}}"#))
    })
    .await;

    let verdicts =
        authority.verifier().verify_many_at_least(&["first", "other", "last"], 7).await.unwrap();

    let subs: Vec<_> =
        verdicts.into_iter().map(|verdict| verdict.holder().map(|holder| holder.sub)).collect();
    assert_eq!(subs, [Some("first".to_owned()), None, Some("last".to_owned())]);
    let asked = authority.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /api/v1/verify");
    assert_eq!(asked[0].media_type, "application/json");
    assert_eq!(asked[0].authorization, "Basic Y2xpZW50OnRoZStzZWNyZXQ=");
    assert_eq!(asked[0].body, r#"{"credentials":["first","other","last"],"min_revision":7}"#);
}

#[tokio::test]
async fn a_batch_may_hold_a_thousand_and_is_not_sent_if_it_is_larger_or_empty() {
    let authority = Authority::answering(|_| {
        let results = vec![active("x").replace(':', ": "); MOST_CREDENTIALS].join(",");
        json(format!(r#"{{"revision":9,"results":[{results}]}}"#))
    })
    .await;
    let verifier = authority.verifier();

    let too_many = verifier.verify_many(&["t"; MOST_CREDENTIALS + 1]).await;
    let none = verifier.verify_many(&[]).await;
    assert!(matches!(too_many, Err(VerifyError::BatchTooLarge { given: 1001 })), "{too_many:?}");
    assert_eq!(none.unwrap(), []);
    assert_eq!(authority.connections(), 0);

    assert_eq!(verifier.verify_many(&["t"; MOST_CREDENTIALS]).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn what_can_be_no_credential_is_inactive_without_a_question() {
    let authority = Authority::answering(|_| {
        let (first, last) = (active("first"), active("last"));
        json(format!(r#"{{"revision":7,"results":[{first},{last}]}}"#))
    })
    .await;
    let verifier = authority.verifier();
    let long = "x".repeat(257);

    for junk in ["", "two words", "a\0b", "é", &long] {
        assert_eq!(verifier.verify(junk).await.unwrap(), Verification::Inactive, "{junk:?}");
    }
    let only_junk = verifier.verify_many(&["", &long]).await.unwrap();
    assert_eq!(only_junk, [Verification::Inactive, Verification::Inactive]);
    assert_eq!(authority.connections(), 0);

    let mixed = verifier.verify_many(&["", "first", &long, "é", "last", "\""]).await.unwrap();
    let subs: Vec<_> =
        mixed.into_iter().map(|verdict| verdict.holder().map(|holder| holder.sub)).collect();
    let (first, last) = (Some("first".to_owned()), Some("last".to_owned()));
    assert_eq!(subs, [None, first, None, None, last, None]);
    assert_eq!(authority.asked()[0].body, r#"{"credentials":["first","last"]}"#);
}

#[tokio::test]
async fn an_answer_from_an_older_state_than_demanded_is_an_error() {
    let authority = Authority::answering(|asked| json(active(asked.credential()))).await;
    let verifier = authority.verifier();

    assert_eq!(outcome(verifier.verify_at_least("t", 7).await), "active");
    assert_eq!(
        outcome(verifier.verify_at_least("t", 8).await),
        "Answer(Stale { demanded: 8, answered: 7 })"
    );
}

#[tokio::test]
async fn a_batch_with_a_verdict_too_few_has_none() {
    let authority =
        Authority::answering(|_| json(format!(r#"{{"revision":9,"results":[{INACTIVE}]}}"#))).await;

    let verdicts = authority.verifier().verify_many(&["a", "b"]).await;

    let Err(VerifyError::Answer(fault)) = verdicts else { panic!("{verdicts:?}") };
    assert_eq!(fault, Unreadable::Count { asked: 2, answered: 1 });
}

/// What came of a question, in a form that can be compared.
fn outcome(answered: Result<Verification, VerifyError>) -> String {
    match answered {
        Ok(Verification::Active(_)) => "active".to_owned(),
        Ok(Verification::Inactive) => "inactive".to_owned(),
        Err(VerifyError::Transport(_)) => "transport".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn each_status_has_its_meaning_and_only_200_can_be_active() {
    let table = [
        ("200", "active"),
        ("201", "Answer(Status(201))"),
        ("204", "Answer(Status(204))"),
        ("206", "Answer(Status(206))"),
        ("301", "Answer(Status(301))"),
        ("400", "Answer(Status(400))"),
        ("401", "Unauthorised"),
        ("403", "Answer(Status(403))"),
        ("404", "Answer(Status(404))"),
        ("413", "Answer(Status(413))"),
        ("429", "TooMany { retry_after: None }"),
        ("500", "Answer(Status(500))"),
        ("502", "Unavailable { retry_after: None }"),
        ("503", "Unavailable { retry_after: None }"),
        ("504", "Unavailable { retry_after: None }"),
    ];
    // Each with a body that would be a verdict.
    let authority = Authority::answering(|asked| {
        Reply::Status(asked.credential().parse().unwrap(), &[], active("x"))
    })
    .await;
    let verifier = authority.verifier();

    for (status, meaning) in table {
        assert_eq!(outcome(verifier.verify(status).await), meaning, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_told_in_seconds_or_not_at_all() {
    let headers = |credential: &str| -> &'static [(&'static str, &'static str)] {
        match credential {
            "seconds" => &[("Retry-After", "17")],
            "date" => &[("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")],
            "negative" => &[("Retry-After", "-1")],
            _ => &[],
        }
    };
    let many = Authority::answering(move |asked| {
        Reply::Status(429, headers(asked.credential()), String::new())
    })
    .await;
    let unavailable = Authority::answering(move |asked| {
        Reply::Status(503, headers(asked.credential()), String::new())
    })
    .await;

    for verifier in [many.verifier(), unavailable.verifier()] {
        for (credential, told) in
            [("seconds", Some(17)), ("date", None), ("negative", None), ("absent", None)]
        {
            let error = verifier.verify(credential).await.unwrap_err();
            assert_eq!(
                error.retry_after(),
                told.map(Duration::from_secs),
                "{credential} {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Authority::answering(|_| json(active("x"))).await;
    let target: &'static str = format!("{}/services/oauth2/introspect", elsewhere.url()).leak();
    let headers: &'static [_] = vec![("Location", target)].leak();
    let authority = Authority::answering(move |_| Reply::Status(307, headers, String::new())).await;

    let answered = authority.verifier().verify("t").await;

    assert_eq!(outcome(answered), "Answer(Status(307))");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn garbage_is_an_error() {
    let table: [(&[u8], &str); 8] = [
        (b"", "transport"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "transport"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "transport"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "Answer(Malformed)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "Answer(Malformed)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x01", "Answer(Malformed)"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"active\":true}",
            "Answer(Member(\"revision\"))",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}", "transport"),
    ];

    for (bytes, meaning) in table {
        let authority = Authority::writing(bytes).await;
        assert_eq!(outcome(authority.verifier().verify("t").await), meaning, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_an_error_even_if_what_came_would_do() {
    let table: [&'static [u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"active\":true,",
        b"HTTP/1.1 200 OK\r\nContent-Length: 94\r\n\r\n{\"active\":true,\"sub\":\"s\",\"username\":\"u\",\"iat\":1,\"auth_time\":1,\"profile\":\"P\",\"revision\":7}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n59\r\n{\"active\":true,\"sub\":\"s\",\"username\":\"u\",\"iat\":1,\"auth_time\":1,\"profile\":\"P\",\"revision\":7}\r\n",
    ];

    for bytes in table {
        let authority = Authority::writing(bytes).await;
        assert_eq!(outcome(authority.verifier().verify("t").await), "transport", "{bytes:?}");
    }

    // The same, whole: it is the cut that makes the difference.
    let whole = Authority::writing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n59\r\n{\"active\":true,\"sub\":\"s\",\"username\":\"u\",\"iat\":1,\"auth_time\":1,\"profile\":\"P\",\"revision\":7}\r\n0\r\n\r\n").await;
    assert_eq!(outcome(whole.verifier().verify("t").await), "active");
}

#[tokio::test]
async fn an_answer_over_its_limit_is_not_read_on() {
    const LIMIT: usize = 64 * 1024;
    let padded = |length: usize| {
        let answer = active("x");
        let padding = " ".repeat(length - answer.len());
        json(answer + &padding)
    };
    let authority = Authority::answering(move |asked| {
        padded(if asked.credential() == "full" { LIMIT } else { LIMIT + 1 })
    })
    .await;
    let verifier = authority.verifier();
    let endless: &'static [u8] = {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        (head + &format!("1000\r\n{}\r\n", " ".repeat(4096)).repeat(64)).into_bytes().leak()
    };

    assert_eq!(outcome(verifier.verify("full").await), "active");
    assert_eq!(outcome(verifier.verify("more").await), "Answer(TooLarge { limit: 65536 })");
    let chunked = Authority::writing(endless).await.verifier();
    assert_eq!(outcome(chunked.verify("t").await), "Answer(TooLarge { limit: 65536 })");
}

#[tokio::test]
async fn an_answer_to_a_batch_may_have_a_mebibyte() {
    const LIMIT: usize = 1024 * 1024;
    let authority = Authority::answering(|asked| {
        let answer = format!(r#"{{"revision":9,"results":[{INACTIVE}]}}"#);
        let length = if asked.body.contains("full") { LIMIT } else { LIMIT + 1 };
        let padding = " ".repeat(length - answer.len());
        json(answer + &padding)
    })
    .await;
    let verifier = authority.verifier();

    assert_eq!(verifier.verify_many(&["full"]).await.unwrap(), [Verification::Inactive]);
    let more = verifier.verify_many(&["more"]).await;
    let Err(VerifyError::Answer(Unreadable::TooLarge { limit: LIMIT })) = more else {
        panic!("{more:?}")
    };
}

#[tokio::test]
async fn a_head_that_is_too_long_is_an_error_even_if_its_answer_would_do() {
    let answer = |padding: usize| -> &'static [u8] {
        let (padding, body) = ("x".repeat(padding), active("x"));
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX: {padding}\r\n\r\n");
        (head + &body).into_bytes().leak()
    };
    let long = Authority::writing(answer(300_000)).await;
    let short = Authority::writing(answer(1_000)).await;

    assert_eq!(outcome(long.verifier().verify("t").await), "transport");
    assert_eq!(outcome(short.verifier().verify("t").await), "active");
}

#[tokio::test]
async fn no_error_shows_the_credential_or_the_secret_or_the_answer() {
    let echoing = Authority::answering(|asked| match asked.credential() {
        "sbnTyped" => json(r#"{"active":"sbnTyped the+secret"}"#),
        "sbnStatus" => Reply::Status(400, &[("X-Echo", "sbnStatus")], asked.body.clone()),
        _ => Reply::Status(503, &[], asked.authorization.clone()),
    })
    .await;
    let broken = Authority::writing(b"sbnBroken dGhlIHNlY3JldA== the+secret\r\n\r\n").await;
    let nobody =
        Verifier::new(Config::new("http://127.0.0.1:1", "client", "the secret".to_owned()));

    let errors = [
        echoing.verifier().verify("sbnTyped").await.unwrap_err(),
        echoing.verifier().verify("sbnStatus").await.unwrap_err(),
        echoing.verifier().verify("sbnBusy").await.unwrap_err(),
        broken.verifier().verify("sbnBroken").await.unwrap_err(),
        nobody.unwrap().verify("sbnNobody").await.unwrap_err(),
    ];

    for error in errors {
        let text = chain(&error);
        for secret in ["sbn", "the+secret", "the secret", "Y2xpZW50"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(!format!("{:?}", echoing.verifier()).contains("secret"));
}

#[test]
fn a_configuration_that_cannot_work_or_would_leak_is_refused_before_anything_is_sent() {
    let secret = || "secret".to_owned();
    let refused = |config| Verifier::new(config).unwrap_err();

    let plain = Config::new("http://tokens.example.com", "client", secret());
    assert!(matches!(refused(plain), ConfigError::Plaintext));
    let nowhere = Config::new("tokens.example.com", "client", secret());
    assert!(matches!(refused(nowhere), ConfigError::Url(_)));
    let nobody = Config::new("http://localhost", "", secret());
    assert!(matches!(refused(nobody), ConfigError::ClientId));
    let unproved = Config::new("http://localhost", "client", String::new());
    assert!(matches!(refused(unproved), ConfigError::ClientSecret));
    let impatient =
        Config::new("http://localhost", "client", secret()).with_timeout(Duration::ZERO);
    assert!(matches!(refused(impatient), ConfigError::Timeout));
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config =
            Config::new("https://localhost", "client", secret()).with_root_certificates(pem);
        assert!(matches!(refused(config), ConfigError::RootCertificates), "{pem}");
    }
}
