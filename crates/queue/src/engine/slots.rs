//! How many jobs this process may run at once: a permit each. The number can change while they run; it shrinks as runs end,
//! and no run is cut short for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// See the module.
#[derive(Debug)]
pub(crate) struct Slots {
    permits: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    /// Permits there are, free or taken.
    permits: usize,
    /// How many there shall be, once enough have come back.
    wanted: usize,
}

impl Slots {
    pub(crate) fn new(number: usize) -> Arc<Self> {
        let size = Size { permits: number, wanted: number };
        Arc::new(Self { permits: Arc::new(Semaphore::new(number)), size: Mutex::new(size) })
    }

    /// How many jobs the process may run at once.
    pub(crate) fn number(&self) -> usize {
        self.size().wanted
    }

    /// How many more it could take now.
    pub(crate) fn free(&self) -> usize {
        self.permits.available_permits()
    }

    /// A slot, as soon as there is one.
    pub(crate) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
            if let Some(slot) = self.unless_surplus(permit) {
                return Some(slot);
            }
        }
    }

    /// So many slots at once, if they are free.
    pub(crate) fn several(&self, number: usize) -> Option<OwnedSemaphorePermit> {
        let size = self.size();
        let number = u32::try_from(number).ok().filter(|&number| number > 0 && size.permits <= size.wanted)?;
        Arc::clone(&self.permits).try_acquire_many_owned(number).ok()
    }

    /// A queue of one for the next slot.
    pub(crate) fn queue(self: &Arc<Self>) -> SlotQueue {
        SlotQueue { slots: Arc::clone(self), permits: PollSemaphore::new(Arc::clone(&self.permits)) }
    }

    /// From now on `number`. Those that are free go at once, the others when they come back: whoever gets one then gives it up.
    pub(crate) fn resize(&self, number: usize) {
        let mut size = self.size();
        size.wanted = number;
        if number > size.permits {
            self.permits.add_permits(number - size.permits);
            size.permits = number;
        } else {
            size.permits -= self.permits.forget_permits(size.permits - number);
        }
    }

    fn unless_surplus(&self, permit: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        let mut size = self.size();
        if size.permits <= size.wanted {
            return Some(permit);
        }
        permit.forget();
        size.permits -= 1;
        None
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for one slot at a time. A clone waits anew.
#[derive(Clone)]
pub(crate) struct SlotQueue {
    slots: Arc<Slots>,
    permits: PollSemaphore,
}

impl SlotQueue {
    pub(crate) fn poll_acquire(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        loop {
            match self.permits.poll_acquire(cx) {
                Poll::Ready(Some(permit)) => {
                    if let Some(slot) = self.slots.unless_surplus(permit) {
                        return Poll::Ready(Some(slot));
                    }
                }
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::future::poll_fn;

    #[tokio::test]
    async fn slots_grow_at_once_and_shrink_as_they_come_back() {
        let slots = Slots::new(2);
        let mut held = vec![slots.one().await, slots.one().await];
        slots.resize(4);
        assert_eq!((slots.free(), slots.number()), (2, 4));
        held.extend([slots.one().await, slots.one().await]);

        slots.resize(1);
        let mut queue = slots.queue();
        for _ in 0..3 {
            assert!(held.pop().is_some());
            assert!(slots.one().now_or_never().is_none(), "what came back was one too many");
            assert!(poll_fn(|cx| queue.poll_acquire(cx)).now_or_never().is_none());
        }
        held.clear();
        assert!(poll_fn(|cx| queue.poll_acquire(cx)).now_or_never().is_some());
        assert_eq!((slots.free(), slots.size().permits), (1, 1));
    }

    #[tokio::test]
    async fn free_slots_go_at_once_and_a_change_of_mind_keeps_the_rest() {
        let slots = Slots::new(5);
        let held = slots.several(2);
        slots.resize(1);
        assert_eq!((slots.free(), slots.size().permits), (0, 2));
        slots.resize(4);
        assert_eq!((slots.free(), slots.size().permits), (2, 4));
        drop(held);
        assert_eq!(slots.free(), 4);
    }
}
