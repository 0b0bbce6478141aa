//! What becomes of a job after a run: a pure rule over the handler's answer, the attempts left and why the run was stopped.

use crate::{
    backoff::Backoff,
    engine::ticket::Why,
    handler::{Failure, Outcome, Then},
    store::{Fault, Verdict},
};
use apalis_core::error::BoxDynError;
use std::{fmt, time::Duration};

/// Longest wait a handler can ask for. It knows the delay from a vendor's answer more often than not, and a vendor that is
/// wrong about its clock would put the job off for decades. Who wants to wait longer looks once a day and waits again.
pub(crate) const LONGEST_WISH: Duration = Duration::from_secs(24 * 60 * 60);

/// A failure on its way through tower's services, which want a standard error.
#[derive(Debug)]
pub(crate) struct Failed(pub Failure);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

/// The failure as our dispatch made it; an error of another layer is an ordinary one.
pub(crate) fn failure(error: BoxDynError) -> Failure {
    match error.downcast::<Failed>() {
        Ok(failed) => failed.0,
        Err(error) => Failure::of_class("middleware", Then::Backoff, error.to_string()),
    }
}

/// The verdict over a run that answered `answer` on attempt `attempt` of `limit`.
pub(crate) fn verdict(
    answer: crate::Result,
    kind: &str,
    attempt: i16,
    limit: i16,
    backoff: Backoff,
    stopped: Option<&Why>,
) -> Verdict {
    let failure = match answer {
        Ok(Outcome::Done) => return Verdict::Done { output: None },
        Ok(Outcome::Output(output)) => return Verdict::Done { output: Some(output) },
        Ok(Outcome::Snooze(delay)) => return Verdict::Snoozed(delay.min(LONGEST_WISH)),
        Ok(Outcome::Cancel(reason)) => return Verdict::Cancelled { reason: Some(reason), fault: None },
        Err(failure) => failure,
    };
    match stopped {
        // The run was cut short; whatever it says about that is no fault of the job.
        Some(Why::Shutdown | Why::Lost) => return Verdict::HandedBack { started: true },
        Some(Why::Cancelled) => return Verdict::Cancelled { reason: None, fault: None },
        None => {}
    }
    let fault = Fault::new(kind, failure.class, &failure.error);
    match failure.then {
        Then::Dead => Verdict::Dead(fault),
        Then::RateLimited(delay) => Verdict::Throttled { delay: delay.min(LONGEST_WISH), fault },
        _ if attempt >= limit => Verdict::Dead(fault),
        Then::RetryIn(delay) => Verdict::Retried { delay: delay.min(LONGEST_WISH), fault },
        Then::Backoff => Verdict::Retried { delay: backoff.delay(attempt), fault },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answer: crate::Result, attempt: i16, stopped: Option<Why>) -> &'static str {
        verdict(answer, "kind", attempt, 3, Backoff::DEFAULT, stopped.as_ref()).outcome()
    }

    #[test]
    fn a_failure_is_retried_until_its_attempts_are_used_up() {
        let failure = || Err(anyhow::anyhow!("down").into());
        assert_eq!([1, 2, 3].map(|attempt| judged(failure(), attempt, None)), ["retried", "retried", "dead"]);
        assert_eq!(judged(Err(Failure::dead("never")), 1, None), "dead");
    }

    #[test]
    fn a_vendors_wish_is_kept_to_the_second() {
        let delay = Duration::from_secs(77);
        let answer = Err(Failure::retry_in(delay, anyhow::anyhow!("429")));
        let verdict = verdict(answer, "kind", 1, 3, Backoff::DEFAULT, None);
        assert!(matches!(verdict, Verdict::Retried { delay: d, .. } if d == delay));
    }

    #[test]
    fn a_job_that_was_told_to_slow_down_pays_no_attempt_even_with_its_last() {
        let answer = || Err(Failure::rate_limited(Duration::from_secs(9), anyhow::anyhow!("429")));
        assert_eq!([1, 3].map(|attempt| judged(answer(), attempt, None)), ["throttled", "throttled"]);
    }

    #[test]
    fn nobody_is_put_off_for_longer_than_a_day() {
        let judged = |answer| verdict(answer, "kind", 1, 3, Backoff::DEFAULT, None);
        let until_2080 = Duration::from_secs(3_471_292_800);
        let asked = judged(Err(Failure::retry_in(until_2080, anyhow::anyhow!("429"))));
        assert!(matches!(asked, Verdict::Retried { delay: LONGEST_WISH, .. }));
        assert_eq!(judged(Ok(Outcome::Snooze(Duration::MAX))), Verdict::Snoozed(LONGEST_WISH));
    }

    #[test]
    fn a_run_cut_short_costs_no_attempt_but_its_success_counts() {
        let failure = || Err(anyhow::anyhow!("interrupted").into());
        assert_eq!(judged(failure(), 3, Some(Why::Shutdown)), "handed_back");
        assert_eq!(judged(failure(), 3, Some(Why::Cancelled)), "cancelled");
        assert_eq!(judged(Ok(Outcome::Done), 3, Some(Why::Cancelled)), "done");
    }
}
