//! How a process goes through a queue whose jobs wait in two ways: those under no limit in one line, the others in lanes that
//! take turns. Where both have work, each gets half of the slots, and an odd one by turns, so that neither starves.

use crate::store::{self, Ask, Claimed};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Looks at the lanes in a row that may bring nothing. With thousands of lanes all shut, the next wake goes on from there.
const PATIENT_LOOKS: u32 = 4;

/// Where a process stands in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    /// The line may have more.
    line: bool,
    /// The lanes may have more.
    lanes: bool,
    lanes_first: bool,
    /// The lane that had the last turn.
    after: String,
    fruitless: u32,
    again_in: Option<Duration>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { line: true, lanes: true, lanes_first: false, after: String::new(), fruitless: 0, again_in: None }
    }
}

impl Turns {
    /// Whether another claim may bring more at once.
    pub(crate) fn has_more(&self) -> bool {
        self.line || self.lanes
    }

    /// When a lane that is shut may be open again, if that is known.
    pub(crate) fn again_in(&self) -> Option<Duration> {
        self.again_in
    }

    /// Somebody says that there is work.
    pub(crate) fn woken(&mut self) {
        (self.line, self.lanes, self.fruitless) = (true, true, 0);
    }

    /// Somebody says that there is work under a limit.
    pub(crate) fn lanes_have_work(&mut self) {
        (self.lanes, self.fruitless) = (true, 0);
    }

    /// Leases up to `wanted` jobs; of a queue with a limit over all processes, no more than it has room for.
    pub(crate) async fn claim(
        &mut self,
        c: &mut PgConnection,
        ask: &Ask<'_>,
        wanted: usize,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        if !ask.capped {
            return self.share(c, ask, wanted).await;
        }
        let mut tx = c.begin().await?;
        let room = store::room(&mut tx, ask.queue).await?;
        let jobs = self.share(&mut tx, ask, wanted.min(room)).await?;
        tx.commit().await?;
        if room == 0 {
            (self.line, self.lanes) = (false, false); // a run that ends makes room, and wakes us
        }
        Ok(jobs)
    }

    async fn share(&mut self, c: &mut PgConnection, ask: &Ask<'_>, wanted: usize) -> Result<Vec<Claimed>, sqlx::Error> {
        let mut jobs = Vec::new();
        let half = if self.line && self.lanes { wanted.div_ceil(2) } else { wanted };
        // What the second leaves, the first may have.
        for (lanes, most) in [(self.lanes_first, half), (!self.lanes_first, wanted), (self.lanes_first, wanted)] {
            let free = (wanted - jobs.len()).min(most);
            if free == 0 {
                continue;
            }
            match lanes {
                true if self.lanes => jobs.extend(self.from_lanes(c, ask, free).await?),
                false if self.line => {
                    let taken = store::claim(c, ask, free).await?;
                    self.line = taken.len() == free;
                    jobs.extend(taken);
                }
                _ => {}
            }
        }
        self.lanes_first = !self.lanes_first;
        Ok(jobs)
    }

    async fn from_lanes(&mut self, c: &mut PgConnection, ask: &Ask<'_>, free: usize) -> Result<Vec<Claimed>, sqlx::Error> {
        let turn = store::claim_lanes(c, ask, free, &self.after).await?;
        self.after = turn.after;
        self.again_in = turn.again_in;
        if turn.jobs.is_empty() {
            self.fruitless += 1;
            self.lanes = turn.unseen && self.fruitless < PATIENT_LOOKS;
        } else {
            self.fruitless = 0;
        }
        Ok(turn.jobs)
    }
}
