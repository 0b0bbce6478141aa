//! How far down a queue's line a process looks. What was claimed leaves dead entries at the line's head; they are cleared away
//! within moments, unless somebody holds an old snapshot open, and then every look from the head walks over all of them. So
//! most looks begin where the last one ended, and a whole look, which finds the stragglers before that, is taken as soon as
//! twenty times as long as the last one took has gone by: they never take more than a twentieth of the time.

use crate::store::{Claimed, Mark};
use std::time::{Duration, Instant};

const SHARE: u32 = 20;
/// However long whole looks take, a straggler waits no longer for one.
const AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    mark: Option<Mark>,
    /// When the next whole look is due; nothing: now.
    due: Option<Instant>,
    /// A look from the mark on found no more, and before it nobody has looked.
    unsure: bool,
}

impl Sight {
    /// Where the next look begins; nothing: at the head.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let is_due = self.due.is_none_or(|due| due <= Instant::now());
        if is_due { None } else { self.mark }
    }

    /// Up to where the line is worked off, but for stragglers.
    pub(crate) fn known(&self) -> Option<Mark> {
        self.mark
    }

    /// The next look is a whole one.
    pub(crate) fn forget(&mut self) {
        self.due = None;
    }

    /// In which time a whole look is due, if only that can tell whether there are more jobs.
    pub(crate) fn again_in(&self) -> Option<Duration> {
        self.unsure.then(|| self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now())))
    }

    /// A look brought `jobs`, in their order; a whole one took so long. Answers whether another look may bring more at once.
    pub(crate) fn saw(&mut self, jobs: &[Claimed], is_full: bool, whole: Option<Duration>) -> bool {
        if let Some(took) = whole {
            self.due = Some(Instant::now() + (took * SHARE).min(AT_LEAST_EVERY));
        }
        if !is_full && whole.is_none() && self.mark.is_some_and(|mark| mark.priority > i16::MIN) {
            self.forget(); // less urgent jobs were not looked at, wherever they stand
            self.unsure = false;
            return true;
        }
        self.mark = match (jobs.last(), whole.is_some() && !is_full) {
            (Some(last), false) => Some(Mark { priority: last.priority, run_at: last.run_at }),
            // Nothing is left, however urgent or not.
            (Some(_), true) => jobs.iter().map(|job| job.run_at).max().map(|run_at| Mark { priority: i16::MIN, run_at }),
            (None, true) => self.mark.map(|mark| Mark { priority: i16::MIN, ..mark }),
            (None, false) => self.mark,
        };
        self.unsure = !is_full && whole.is_none();
        is_full || (self.unsure && self.mark().is_none())
    }
}
