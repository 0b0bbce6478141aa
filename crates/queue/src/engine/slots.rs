//! How many jobs this process may hold at once: a permit each. The number can change while they run; it shrinks as runs end,
//! and no run is cut short for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    pub(crate) fn new(number: usize) -> Self {
        let size = Size { permits: number, wanted: number };
        Self { permits: Arc::new(Semaphore::new(number)), size: Mutex::new(size) }
    }

    /// How many jobs the process may hold.
    pub(crate) fn number(&self) -> usize {
        self.size().wanted
    }

    /// How many more it could take now.
    pub(crate) fn free(&self) -> usize {
        self.permits.available_permits()
    }

    /// A slot, as soon as there is one. Permits that come back and are too many go no further than here.
    pub(crate) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
            let mut size = self.size();
            if size.permits <= size.wanted {
                return Some(permit);
            }
            permit.forget();
            size.permits -= 1;
        }
    }

    /// So many slots at once, if they are free.
    pub(crate) fn several(&self, number: usize) -> Option<OwnedSemaphorePermit> {
        let size = self.size();
        let number = u32::try_from(number).ok().filter(|&number| number > 0 && size.permits <= size.wanted)?;
        Arc::clone(&self.permits).try_acquire_many_owned(number).ok()
    }

    /// From now on `number`.
    pub(crate) fn resize(&self, number: usize) {
        let mut size = self.size();
        size.wanted = number;
        if number > size.permits {
            self.permits.add_permits(number - size.permits);
            size.permits = number;
        } else {
            size.permits -= self.permits.forget_permits(size.permits - number); // those that are free; the others as they come
        }
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn slots_grow_at_once_and_shrink_as_they_come_back() {
        let slots = Slots::new(2);
        let mut held = vec![slots.one().await, slots.one().await];
        slots.resize(4);
        assert_eq!((slots.free(), slots.number()), (2, 4));
        held.extend([slots.one().await, slots.one().await]);

        slots.resize(1);
        for _ in 0..3 {
            assert!(held.pop().is_some());
            assert!(slots.one().now_or_never().is_none(), "three are held still, or one too many has come back");
        }
        held.clear();
        assert!(slots.one().now_or_never().is_some());
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
