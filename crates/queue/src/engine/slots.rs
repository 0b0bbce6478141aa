//! How many jobs this process may run at once: a permit each. The number can change while they run; it shrinks as runs end,
//! and no run is cut short for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, PollSemaphore};

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
    /// Ends the task that waits for surplus permits.
    shrinking: CancellationToken,
}

impl Slots {
    pub(crate) fn new(number: usize) -> Arc<Self> {
        let size = Size { permits: number, wanted: number, shrinking: CancellationToken::new() };
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

    /// A slot, when there is one.
    pub(crate) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// So many slots at once, if they are free.
    pub(crate) fn several(&self, number: usize) -> Option<OwnedSemaphorePermit> {
        let number = u32::try_from(number).ok().filter(|&number| number > 0)?;
        Arc::clone(&self.permits).try_acquire_many_owned(number).ok()
    }

    /// A queue of one for the next slot.
    pub(crate) fn queue(&self) -> PollSemaphore {
        PollSemaphore::new(Arc::clone(&self.permits))
    }

    /// From now on `number`. Surplus permits are taken away as they come back, before any claim gets them.
    pub(crate) fn resize(self: &Arc<Self>, number: usize) {
        let mut size = self.size();
        size.shrinking.cancel();
        size.wanted = number;
        if number >= size.permits {
            self.permits.add_permits(number - size.permits);
            size.permits = number;
            return;
        }
        let (own, surplus, stop) = (Arc::clone(self), size.permits - number, CancellationToken::new());
        size.shrinking = stop.clone();
        tokio::spawn(async move { own.shrink(surplus, &stop).await });
    }

    async fn shrink(&self, surplus: usize, stop: &CancellationToken) {
        let Ok(many) = u32::try_from(surplus) else { return };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            taken = Arc::clone(&self.permits).acquire_many_owned(many) => {
                let mut size = self.size();
                if let Ok(taken) = taken && !stop.is_cancelled() {
                    taken.forget();
                    size.permits -= surplus;
                }
            }
        }
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn settled(slots: &Slots, permits: usize) {
        while slots.size().permits != permits {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn slots_grow_at_once_and_shrink_as_they_come_back() {
        let slots = Slots::new(4);
        let held = slots.several(4).expect("four");
        slots.resize(6);
        assert_eq!((slots.free(), slots.number()), (2, 6));
        slots.resize(1);
        assert_eq!(slots.number(), 1);
        drop(held);
        settled(&slots, 1).await;
        assert_eq!(slots.free(), 1);
    }

    #[tokio::test]
    async fn a_change_of_mind_gives_back_what_was_about_to_go() {
        let slots = Slots::new(4);
        let held = slots.several(4).expect("four");
        slots.resize(1);
        tokio::task::yield_now().await;
        slots.resize(3);
        drop(held);
        settled(&slots, 3).await;
        slots.resize(5);
        settled(&slots, 5).await;
        while slots.free() != 5 {
            tokio::task::yield_now().await;
        }
    }
}
