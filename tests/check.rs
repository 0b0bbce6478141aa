//! `mywork check` says what is wrong and what to do about it, whatever is taken away.
//!
//! Proves: OPS-01

use crate::support::{
    database::Database,
    process::{Crew, Environment, Ran, free_port},
    stage::Stage,
};
use mywork_cli::configuration::SETTINGS;

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

/// The line that says that `what` fails.
fn failure<'r>(checked: &'r Ran, what: &str) -> Option<&'r str> {
    checked.said.lines().find_map(|line| line.strip_prefix("FAIL")?.trim_start().strip_prefix(what)?.strip_prefix(": "))
}
