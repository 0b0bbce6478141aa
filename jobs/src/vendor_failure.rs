//! A vendor's error as the queue understands it. "Too many requests" pauses the vendor's bucket for all processes and costs the
//! job no attempt; anything else is tried again with backoff, or judged by the handler first.

use mywork_queue::Failure;
use mywork_vendors::{resend::MailError, stripe::StripeError};

pub fn of_stripe(error: StripeError) -> Failure {
    match error.slow_down() {
        Some(pause) => Failure::rate_limited(pause, error),
        None => error.into(),
    }
}

pub fn of_mail(error: MailError) -> Failure {
    match error.slow_down() {
        Some(pause) => Failure::rate_limited(pause, error),
        None => error.into(),
    }
}
