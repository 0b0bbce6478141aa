//! What an operator does from a shell. `mywork check` says what is wrong and what to do about it, whatever is taken away;
//! `mywork jobs` shows, retries and cancels, and leaves a trail.
//!
//! Proves: OPS-01, JOB-23

use crate::support::{
    database::Database,
    process::{Crew, Environment, Ran, free_port},
    stage::Stage,
};
use mywork::catalog::jobs::DiscardObjects;
use mywork_cli::configuration::SETTINGS;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there() {
    let stage = Stage::of_processes(free_port()).await;
    let crew = Crew::of(&stage).await;
    let checked = crew.runs(&["check"], |_| ()).await;
    assert!(checked.succeeded, "{checked:?}");
    let lines: Vec<&str> = checked.said.lines().collect();
    assert_eq!(lines.len(), 9, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");

    // With Clerk, its keys are looked at too.
    let keys = stage.sandbox.jwks_url();
    let with_clerk = |environment: &mut Environment| {
        environment.extend([
            ("AUTH_MODE", "clerk".to_owned()),
            ("AUTH_ISSUER", "https://clerk.example.com".to_owned()),
            ("AUTH_JWKS_URL", keys),
            ("AUTH_SIGN_IN_URL", "https://clerk.example.com/sign-in".to_owned()),
            ("CLERK_WEBHOOK_SECRETS", mywork_sandbox::clerk_webhook_secret()),
        ]);
    };
    let checked = crew.runs(&["check"], with_clerk).await;
    assert!(checked.succeeded, "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_named_with_what_to_do() {
    let stage = Stage::of_processes(free_port()).await;
    let crew = Crew::of(&stage).await;
    let new = Database::empty().await;
    // Nobody listens there.
    let dead = format!("http://127.0.0.1:{}/", free_port());
    let no_database = format!("postgres://app@127.0.0.1:{}/mywork", free_port());

    // A setting, a value that takes the dependency away, and the checks that then fail with these words.
    type Case<'a> = (&'static str, &'a str, &'static [(&'static str, &'static str)]);
    let cases: [Case<'_>; 6] = [
        (
            "DATABASE_URL",
            &no_database,
            &[
                ("database", "the database does not answer: check DATABASE_URL and that the server runs"),
                ("migrations", "the database does not answer"),
                ("role of the web tier", "check DATABASE_URL"),
                ("role of workers", "check DATABASE_URL"),
            ],
        ),
        ("DATABASE_URL", new.url(), &[("migrations", "the database is empty: run `mywork migrate`")]),
        (
            "S3_ENDPOINT",
            &dead,
            &[("object storage", "the bucket does not answer: check the S3_… settings, and run `mywork migrate` once")],
        ),
        ("S3_BUCKET", "another", &[("object storage", "run `mywork migrate` once")]),
        ("STRIPE_API_BASE", &dead, &[("Stripe", "Stripe does not answer: check STRIPE_SECRET_KEY and the network")]),
        ("RESEND_API_BASE", &dead, &[("e-mail", "Resend does not answer: check RESEND_API_KEY and the network")]),
    ];
    let checks = cases
        .iter()
        .map(|(name, value, _)| crew.runs(&["check"], |environment| drop(environment.insert(name, (*value).to_owned()))));
    let checked = futures::future::join_all(checks).await;
    for ((name, value, expected), checked) in cases.iter().zip(&checked) {
        assert!(!checked.succeeded, "{name}={value}: {checked:?}");
        for (what, sentence) in *expected {
            let line = failure(checked, what).unwrap_or_else(|| panic!("{name}={value}: {what} does not fail: {checked:?}"));
            assert!(line.contains(sentence), "{name}={value}: {line}");
        }
        assert!(checked.complained.contains("see above"), "{name}={value}: {checked:?}");
    }
    // Only what was taken away is missed.
    for (case, failures) in [(0, 4), (2, 1), (3, 1), (4, 1), (5, 1)] {
        assert_eq!(checked[case].said.matches("FAIL").count(), failures, "{:?}", checked[case]);
    }

    // Keys that are not accepted are as bad as no answer, and never shown.
    for (name, what) in [("STRIPE_SECRET_KEY", "Stripe"), ("RESEND_API_KEY", "e-mail"), ("S3_SECRET_KEY", "object storage")] {
        let checked = crew.runs(&["check"], |environment| drop(environment.insert(name, "not_the_key_4711".to_owned()))).await;
        assert!(!checked.succeeded && failure(&checked, what).is_some(), "{name}: {checked:?}");
        assert!(
            !checked.said.contains("not_the_key_4711") && !checked.complained.contains("not_the_key_4711"),
            "{name}: {checked:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_configuration_are_told_all_at_once() {
    let stage = Stage::of_processes(free_port()).await;
    let crew = Crew::of(&stage).await;

    let checked = crew.runs(&["check"], |environment| drop(environment.remove("EMAIL_FROM"))).await;
    assert!(!checked.succeeded && checked.complained.contains("1 fault(s)"), "{checked:?}");
    assert!(checked.complained.contains("EMAIL_FROM is not set. Sender, as in"), "{checked:?}");

    // Every command reads the whole configuration first, and refuses to begin without it.
    for command in ["check", "web", "worker", "scheduler", "migrate"] {
        let told = crew.runs(&[command], Environment::clear).await;
        assert!(!told.succeeded, "{command}: {told:?}");
        for setting in SETTINGS.iter().filter(|setting| setting.default.is_none()) {
            let sentence = format!("{} is not set. {} Or `{}` in mywork.toml.", setting.env, setting.meaning, setting.path);
            assert!(told.complained.contains(&sentence), "{command}: {}", told.complained);
        }
    }

    let clerk = crew
        .runs(&["check"], |environment| environment.extend([("AUTH_MODE", "clerk".to_owned()), ("PORT", "many".to_owned())]))
        .await;
    assert!(!clerk.succeeded && clerk.complained.contains("5 fault(s)"), "{clerk:?}");
    for name in ["AUTH_ISSUER", "AUTH_JWKS_URL", "AUTH_SIGN_IN_URL", "CLERK_WEBHOOK_SECRETS"] {
        assert!(
            clerk.complained.contains(&format!("{name} is empty: Clerk needs it. Set it, or AUTH_MODE=builtin.")),
            "{clerk:?}"
        );
    }
    assert!(clerk.complained.contains("PORT should be a number from 1 to 65535."), "{clerk:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_looked_at_and_acted_on_from_a_shell() {
    let stage = Stage::of_processes(free_port()).await;
    let crew = Crew::of(&stage).await;
    let job = DiscardObjects { keys: vec!["uploads/nothing".into()], multipart: None };
    let jobs = mywork_queue::enqueue_many(&mut stage.look().await, &[job.clone(), job]).await.unwrap();
    let (first, second) = (jobs[0].id.0.to_string(), jobs[1].id.0.to_string());
    let state_of = async |id: &str| json(&crew.runs(&["jobs", "show", id, "--json"], |_| ()).await)["job"]["state"].clone();

    let listed = json(&crew.runs(&["jobs", "list", "--json"], |_| ()).await);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        (&listed[0]["id"], &listed[0]["kind"], &listed[0]["state"]),
        (&jobs[1].id.0.into(), &"catalog.discard_objects".into(), &"available".into())
    );
    assert_eq!(json(&crew.runs(&["jobs", "list", "--state", "dead", "--json"], |_| ()).await), Value::Array(vec![]));
    assert_eq!(
        json(
            &crew
                .runs(
                    &["jobs", "list", "--kind", "catalog.discard_objects", "--queue", "default", "--limit", "1", "--json"],
                    |_| ()
                )
                .await
        )[0]["id"],
        listed[0]["id"]
    );
    let shown = said(crew.runs(&["jobs", "show", &first], |_| ()).await);
    assert!(shown.contains("catalog.discard_objects · available") && shown.contains("uploads/nothing"), "{shown}");

    assert_eq!(
        said(crew.runs(&["jobs", "cancel", &first, "--reason", "nobody wants it"], |_| ()).await),
        format!("job {first} is cancelled\n")
    );
    assert_eq!(state_of(&first).await, "cancelled");
    assert_eq!(said(crew.runs(&["jobs", "retry", &first], |_| ()).await), format!("job {first} will run again\n"));
    assert_eq!(state_of(&first).await, "available");
    assert_eq!(state_of(&second).await, "available", "nobody touched the other one");

    let trail = "SELECT string_agg(action || ' ' || subject_id || ': ' || reason, ', ' ORDER BY id) FROM audit_log WHERE subject_kind = 'job'";
    assert_eq!(stage.text(trail).await, format!("job.cancel {first}: nobody wants it, job.retry {first}: from the command line"));

    let unknown = crew.runs(&["jobs", "show", "4711"], |_| ()).await;
    assert!(!unknown.succeeded && unknown.complained.contains("there is no job 4711"), "{unknown:?}");
    let misspelt = crew.runs(&["jobs", "list", "--state", "ded"], |_| ()).await;
    assert!(!misspelt.succeeded && misspelt.complained.contains("quarantined"), "{misspelt:?}");
}

/// The line that says that `what` fails.
fn failure<'r>(checked: &'r Ran, what: &str) -> Option<&'r str> {
    checked.said.lines().find_map(|line| line.strip_prefix("FAIL")?.trim_start().strip_prefix(what)?.strip_prefix(": "))
}

#[track_caller]
fn said(ran: Ran) -> String {
    assert!(ran.succeeded, "{ran:?}");
    ran.said
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert!(ran.succeeded, "{ran:?}");
    serde_json::from_str(&ran.said).unwrap_or_else(|e| panic!("{e}: {}", ran.said))
}
