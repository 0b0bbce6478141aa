//! How a process goes through a queue whose jobs wait in two ways: those under no limit in one line, the others in lanes that
//! take turns. Where both have work, each gets half of the slots, and an odd one by turns, so that neither starves.

use crate::{
    engine::sight::Sight,
    store::{self, Ask, Claimed, Mark},
};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

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
    sight: Sight,
    /// The lane that had the last turn.
    after: String,
    fruitless: u32,
    again_in: Option<Duration>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            line: true,
            lanes: true,
            lanes_first: false,
            sight: Sight::default(),
            after: String::new(),
            fruitless: 0,
            again_in: None,
        }
    }
}

impl Turns {
    /// Whether another claim may bring more at once.
    pub(crate) fn has_more(&self) -> bool {
        self.line || self.lanes
    }

    /// When to look again: a lane that is shut may be open then, if that is known, or the line has not been looked at as a whole.
    pub(crate) fn again_in(&self) -> Option<Duration> {
        self.again_in.into_iter().chain(self.sight.again_in()).min()
    }

    /// Up to where the line is worked off.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.sight.known()
    }

    /// Somebody says that there is work. Jobs under no limit are the rule, and so come first.
    pub(crate) fn woken(&mut self) {
        (self.line, self.lanes, self.lanes_first, self.fruitless) = (true, true, false, 0);
    }

    /// Jobs have joined the line that may stand anywhere in it.
    pub(crate) fn look_everywhere(&mut self) {
        self.line = true;
        self.sight.forget();
    }

    /// Somebody says that there is work under a limit.
    pub(crate) fn lanes_have_work(&mut self) {
        (self.lanes, self.fruitless) = (true, 0);
    }

    /// Leases up to `wanted` jobs, at most `from_lanes` of them under a limit; of a queue with a limit over all processes, no more
    /// than it has room for.
    pub(crate) async fn claim(
        &mut self,
        c: &mut PgConnection,
        ask: &Ask<'_>,
        wanted: usize,
        from_lanes: usize,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        if !ask.capped {
            return self.one_turn(c, ask, wanted, from_lanes).await;
        }
        let mut tx = store::begin(c).await?;
        let room = store::room(&mut tx, ask.queue).await?;
        let jobs = if room == 0 { Vec::new() } else { self.one_turn(&mut tx, ask, wanted.min(room), from_lanes).await? };
        tx.commit().await?;
        if room == 0 {
            (self.line, self.lanes) = (false, false); // a run that ends makes room, and wakes us
        }
        Ok(jobs)
    }

    /// One claim asks one of the two, so that what it brings can begin before the other is asked.
    async fn one_turn(
        &mut self,
        c: &mut PgConnection,
        ask: &Ask<'_>,
        wanted: usize,
        from_lanes: usize,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        let both = self.line && self.lanes;
        let wanted = if both { wanted.div_ceil(2).min(from_lanes.max(1)) } else { wanted };
        let lanes = if both { self.lanes_first } else { self.lanes };
        self.lanes_first = !lanes;
        if lanes { self.take_from_lanes(c, ask, wanted.min(from_lanes)).await } else { self.take_from_line(c, ask, wanted).await }
    }

    async fn take_from_line(&mut self, c: &mut PgConnection, ask: &Ask<'_>, wanted: usize) -> Result<Vec<Claimed>, sqlx::Error> {
        let (mark, began) = (self.sight.mark(), Instant::now());
        let jobs = store::claim(c, ask, wanted, mark).await?;
        let is_full = jobs.len() == wanted;
        self.line = self.sight.saw(&jobs, is_full, mark.is_none().then(|| began.elapsed()));
        Ok(jobs)
    }

    async fn take_from_lanes(&mut self, c: &mut PgConnection, ask: &Ask<'_>, free: usize) -> Result<Vec<Claimed>, sqlx::Error> {
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
