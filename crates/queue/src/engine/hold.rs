//! Jobs of one queue that are leased to this process and have not begun. Those that were claimed for a free slot begin at once;
//! the others were claimed ahead, and begin in their turn as slots become free.
//!
//! Whatever leaves the hold without beginning drops its ticket, which hands the job back at no cost.

use crate::engine::{slots::SlotQueue, source::Work};
use std::{
    collections::VecDeque,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};
use tokio::sync::Notify;

/// See the module.
#[derive(Default)]
pub(crate) struct Hold {
    inside: Mutex<Inside>,
    number: AtomicUsize,
    /// From which number on somebody waits to be told.
    level: AtomicUsize,
    fallen: Notify,
}

#[derive(Default)]
struct Inside {
    works: VecDeque<Work>,
    waker: Option<Waker>,
    closed: bool,
}

impl Hold {
    /// How many there are.
    pub(crate) fn number(&self) -> usize {
        self.number.load(Relaxed)
    }

    /// Adds jobs at the end. A closed hold hands them back.
    pub(crate) fn put(&self, works: Vec<Work>) {
        let mut inside = self.inside();
        if inside.closed {
            drop(inside);
            return; // and `works` with it
        }
        inside.works.extend(works);
        self.number.store(inside.works.len(), Relaxed);
        let waker = inside.waker.take();
        drop(inside);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The next job, with a slot to run in; nothing when the hold is closed.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, slots: &mut SlotQueue) -> Poll<Option<Work>> {
        loop {
            let mut inside = self.inside();
            let slot = match inside.works.front() {
                Some(front) if front.has_slot() => None,
                Some(_) => match slots.poll_acquire(cx) {
                    Poll::Ready(Some(slot)) => Some(slot),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => {
                        inside.waker = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                },
                None if inside.closed => return Poll::Ready(None),
                None => {
                    inside.waker = Some(cx.waker().clone());
                    *slots = slots.clone(); // leaves the queue for a slot, should it stand in it
                    return Poll::Pending;
                }
            };
            let Some(mut work) = inside.works.pop_front() else { continue };
            self.has_now(inside.works.len());
            drop(inside);
            if work.is_stopped() {
                continue; // handed back
            }
            slot.into_iter().for_each(|slot| work.give(slot));
            return Poll::Ready(Some(work));
        }
    }

    /// Hands back the jobs that are `wanted` back, and says how many those were.
    pub(crate) fn hand_back(&self, wanted: impl Fn(&Work) -> bool) -> usize {
        if self.number() == 0 {
            return 0;
        }
        let mut inside = self.inside();
        let (back, kept): (Vec<Work>, VecDeque<Work>) =
            mem::take(&mut inside.works).into_iter().fold((Vec::new(), VecDeque::new()), |(mut back, mut kept), work| {
                if wanted(&work) {
                    back.push(work)
                } else {
                    kept.push_back(work)
                }
                (back, kept)
            });
        inside.works = kept;
        self.has_now(inside.works.len());
        let waker = inside.waker.take();
        drop(inside);
        waker.into_iter().for_each(Waker::wake);
        back.len()
    }

    /// Hands back everything, now and from now on.
    pub(crate) fn close(&self) {
        self.inside().closed = true;
        self.hand_back(|_| true);
        let waker = self.inside().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Comes back when there are no more than `level`. One may wait at a time.
    pub(crate) async fn falls_to(&self, level: usize) {
        self.level.store(level, Relaxed);
        while self.number() > level {
            self.fallen.notified().await;
        }
    }

    fn has_now(&self, number: usize) {
        self.number.store(number, Relaxed);
        if number <= self.level.load(Relaxed) {
            self.fallen.notify_one();
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
