//! What a house runs on, and what is left of it when the power is cut: nothing but its database.
//!
//! The work and everything that it has started elsewhere run on one thread, which parks whenever all of it
//! waits for the database or for a hash. The cut is counted in those waits, so that the same count falls at
//! the same statement. Whatever was not done by then is never done: the runtime goes with all its tasks.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::sync::Notify;

/// Power that is on.
pub(super) struct Power {
    runtime: Runtime,
    fuse: Arc<Fuse>,
}

#[derive(Default)]
struct Fuse {
    /// How many waits are left; 0 while it is not set.
    left: AtomicUsize,
    blown: Notify,
}

impl Power {
    pub(super) fn on() -> Self {
        let fuse = Arc::new(Fuse::default());
        let counted = Arc::clone(&fuse);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || counted.count())
            .build()
            .unwrap();
        Self { runtime, fuse }
    }

    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Runs `work` until everything has waited so often, if it is not done before.
    pub(super) fn run_until_cut<T>(&self, waits: usize, work: impl Future<Output = T>) {
        if waits == 0 {
            return;
        }
        self.fuse.left.store(waits, Ordering::SeqCst);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.fuse.blown.notified() => {}
                _ = work => {}
            }
        });
    }

    /// The power that is on afterwards; of what ran before nothing goes on.
    pub(super) fn cut(self) -> Self {
        self.runtime.shutdown_background();
        Self::on()
    }
}

/// What is dropped while no power is on gives connections back, and asks for a runtime to do so: this one,
/// which never does it.
pub(super) struct Ground(Runtime);

impl Ground {
    pub(super) fn new() -> Self {
        Self(Builder::new_current_thread().enable_all().build().unwrap())
    }

    pub(super) fn stand(&self) -> EnterGuard<'_> {
        self.0.enter()
    }
}

impl Fuse {
    fn count(&self) {
        let one_less = |left: usize| left.checked_sub(1);
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if before == Ok(1) {
            self.blown.notify_one();
        }
    }
}

/// Drops `work` after so many polls, unless it is done before.
pub(super) async fn broken_off<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}
